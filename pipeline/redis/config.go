package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Config says where Redis is and how long what is kept. A single node, Sentinel and Cluster differ only here.
type Config struct {
	// Addresses are host:port: of the node, of the sentinels (with Master), or of some nodes of the cluster.
	Addresses []string `yaml:"addresses"`
	// Master is the name of the master that Sentinel watches; "" without Sentinel.
	Master string `yaml:"master"`
	// Cluster says that Addresses are nodes of a Redis Cluster.
	Cluster bool `yaml:"cluster"`
	// DB is the database number; 0 on a cluster.
	DB       int    `yaml:"db"`
	Username string `yaml:"username"`
	// PasswordFile or PasswordEnv name where the password is: never the password itself.
	PasswordFile         string `yaml:"password_file"`
	PasswordEnv          string `yaml:"password_env"`
	SentinelUsername     string `yaml:"sentinel_username"`
	SentinelPasswordFile string `yaml:"sentinel_password_file"`
	SentinelPasswordEnv  string `yaml:"sentinel_password_env"`
	TLS                  TLS    `yaml:"tls"`

	// Prefix begins every key. Several deployments may share a Redis under different prefixes.
	Prefix string `yaml:"prefix"`
	// Timeout bounds one dial, read or write; Retries is how often the client repeats a call before it returns the error.
	Timeout time.Duration `yaml:"timeout"`
	Retries int           `yaml:"retries"`

	// FineTTL and CoarseTTL are the lives of buckets, from the start of the bucket in event time.
	FineTTL   time.Duration `yaml:"fine_ttl"`
	CoarseTTL time.Duration `yaml:"coarse_ttl"`
	// LabelHorizon is how long a probe waits for its label, and a label for its probe, from record time.
	LabelHorizon time.Duration `yaml:"label_horizon"`
	// ExampleTTL and ExampleCap bound the examples kept per partition and generation.
	ExampleTTL time.Duration `yaml:"example_ttl"`
	ExampleCap int           `yaml:"example_cap"`
}

// TLS of the connection to Redis. Empty files mean the system's roots and no client certificate.
type TLS struct {
	Enabled    bool   `yaml:"enabled"`
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// DefaultConfig is a local Redis and the lives that the windows of 15 m, 1 h and 24 h need.
func DefaultConfig() Config {
	return Config{
		Addresses: []string{"127.0.0.1:6379"}, Prefix: "shaketable", Timeout: 3 * time.Second, Retries: 3,
		FineTTL: 6 * time.Hour, CoarseTTL: 30 * 24 * time.Hour, LabelHorizon: 30 * 24 * time.Hour,
		ExampleTTL: 7 * 24 * time.Hour, ExampleCap: 20,
	}
}

// Validate returns every fault, each naming its key.
func (c Config) Validate() error {
	var faults []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	require(len(c.Addresses) > 0, "addresses: at least one host:port is needed")
	for _, a := range c.Addresses {
		require(strings.Contains(a, ":"), "addresses: %q has no port", a)
	}
	require(c.Master == "" || !c.Cluster, "master: Sentinel and cluster exclude each other; keep one")
	require(len(c.Addresses) <= 1 || c.Master != "" || c.Cluster,
		"addresses: %d addresses need master (Sentinel) or cluster: true", len(c.Addresses))
	require(c.DB == 0 || !c.Cluster, "db: a cluster has only database 0, not %d", c.DB)
	require(c.DB >= 0, "db: %d is negative", c.DB)
	require(c.PasswordFile == "" || c.PasswordEnv == "", "password_file: password_env is set too; keep one")
	require(c.SentinelPasswordFile == "" || c.SentinelPasswordEnv == "",
		"sentinel_password_file: sentinel_password_env is set too; keep one")
	require(c.TLS.Enabled || c.TLS == TLS{}, "tls: has settings but enabled is false")
	require((c.TLS.CertFile == "") == (c.TLS.KeyFile == ""), "tls: cert_file and key_file go together")
	require(c.Prefix != "" && !strings.ContainsAny(c.Prefix, "{} \t\r\n"),
		"prefix: %q must not be empty or hold braces or spaces, because braces choose the slot", c.Prefix)
	require(c.Timeout > 0, "timeout: %s is not positive", c.Timeout)
	require(c.Retries >= 0, "retries: %d is negative", c.Retries)
	for name, d := range map[string]time.Duration{"fine_ttl": c.FineTTL, "coarse_ttl": c.CoarseTTL,
		"label_horizon": c.LabelHorizon, "example_ttl": c.ExampleTTL} {
		require(d >= time.Second, "%s: %s is under a second", name, d)
	}
	require(c.ExampleCap > 0, "example_cap: %d is not positive", c.ExampleCap)
	return errors.Join(faults...)
}

// options turns the configuration into go-redis's, reading secrets and certificates.
func (c Config) options() (*goredis.UniversalOptions, error) {
	password, err := secret("password", c.PasswordFile, c.PasswordEnv)
	if err != nil {
		return nil, err
	}
	sentinel, err := secret("sentinel_password", c.SentinelPasswordFile, c.SentinelPasswordEnv)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := c.TLS.load()
	if err != nil {
		return nil, err
	}
	retries := c.Retries
	if retries == 0 {
		retries = -1 // go-redis takes 0 for its default
	}
	return &goredis.UniversalOptions{
		Addrs: c.Addresses, MasterName: c.Master, IsClusterMode: c.Cluster, DB: c.DB,
		Username: c.Username, Password: password, SentinelUsername: c.SentinelUsername, SentinelPassword: sentinel,
		TLSConfig: tlsConfig, DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, MaxRetries: retries,
		DialerRetries: 1, ContextTimeoutEnabled: true,
		// RESP2 and no CLIENT SETINFO: what an access list must allow is then the commands of the scripts alone.
		Protocol: 2, DisableIdentity: true,
	}, nil
}

// secret reads a password from a file or a variable; "" if neither is configured.
func secret(key, file, env string) (string, error) {
	switch {
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("redis: %s_file: %w", key, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	case env != "":
		v, ok := os.LookupEnv(env)
		if !ok {
			return "", fmt.Errorf("redis: %s_env: the variable %s is not set", key, env)
		}
		return v, nil
	}
	return "", nil
}

// load returns nil without TLS.
func (t TLS) load() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("redis: tls.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis: tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("redis: tls.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
