package http

import (
	"fmt"
	"net"
	"time"
)

// Config says where the surfaces of a process are served.
type Config struct {
	// Listen is host:port; port 0 takes a free one and says which; "" serves nothing. Default 127.0.0.1:8080.
	Listen string `yaml:"listen"`
	// AllowPublic lets Listen be more than the loopback interface. What is served is read-only and needs no password: media
	// ids, if window.example_ids shows them, and alert texts are there for everybody who can connect. Default false.
	AllowPublic bool `yaml:"allow_public"`
	// Stuck is how long probes may be under way without one being counted before the process is not ready; after twice that
	// it ends. Default 5m.
	Stuck time.Duration `yaml:"stuck"`
}

// DefaultConfig serves this machine alone.
func DefaultConfig() Config { return Config{Listen: "127.0.0.1:8080", Stuck: 5 * time.Minute} }

// Validate returns every fault, each beginning with its key.
func (c Config) Validate() []error {
	var es []error
	if c.Stuck < time.Second {
		es = append(es, fmt.Errorf("stuck: %v must be at least 1s", c.Stuck))
	}
	if c.Listen == "" {
		return es
	}
	host, port, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil || port == "":
		es = append(es, fmt.Errorf("listen: %q is not host:port", c.Listen))
	case !c.AllowPublic && !loopback(host):
		es = append(es, fmt.Errorf("listen: %q can be reached from other machines and asks for no password; use 127.0.0.1, or set http.allow_public: true", c.Listen))
	}
	return es
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
