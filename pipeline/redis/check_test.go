package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline/storetest"
)

func TestCheckOnServer(t *testing.T) {
	s := open(t, at(storetest.StartRedis(t).Addr))
	notes, err := s.Check(t.Context())
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0], "append-only") {
		t.Fatalf("a good server: %q, %v", notes, err)
	}
	if err := s.client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Fatalf("an evicting server: %v", err)
	}
}

func TestCheckReplica(t *testing.T) {
	master := storetest.StartRedis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := open(t, at(storetest.StartRedis(t, "--replicaof", host+" "+port).Addr))
	if _, err := replica.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "is a slave") {
		t.Fatalf("a replica: %v", err)
	}
}

func TestCheckUnknown(t *testing.T) {
	s := open(t, at(miniredis.RunT(t).Addr()))
	notes, err := s.Check(t.Context())
	if err != nil || len(notes) != 2 {
		t.Fatalf("a server that tells nothing: %q, %v", notes, err)
	}
}

func TestJudge(t *testing.T) {
	good := map[string]string{"redis_version": "6.2.0", "maxmemory_policy": "noeviction", "role": "master", "aof_enabled": "1"}
	for _, c := range []struct {
		key, value, fault, note string
	}{
		{"role", "master", "", ""},
		{"redis_version", "7.4.1", "", ""},
		{"redis_version", "10.0.0", "", ""},
		{"redis_version", "6.0.16", "6.2 or later is needed", ""},
		{"redis_version", "5.9.9", "6.2 or later is needed", ""},
		{"redis_version", "unstable", "", "version is unknown"},
		{"redis_version", "", "", "version is unknown"},
		{"maxmemory_policy", "volatile-ttl", "noeviction", ""},
		{"maxmemory_policy", "", "", "maxmemory-policy is unknown"},
		{"role", "slave", "is a slave", ""},
		{"aof_enabled", "0", "", "append-only"},
	} {
		info := map[string]string{}
		for k, v := range good {
			info[k] = v
		}
		info[c.key] = c.value
		notes, err := judge("node", info)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s=%s: error %v, want %q", c.key, c.value, err, c.fault)
		}
		if got := strings.Join(notes, " "); (got != "") != (c.note != "") || !strings.Contains(got, c.note) {
			t.Errorf("%s=%s: notes %q, want %q", c.key, c.value, got, c.note)
		}
	}
}

func TestRetryable(t *testing.T) {
	s := open(t, at("127.0.0.1:1"))
	_, refused := s.Check(t.Context())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, cancelled := s.Check(ended)
	server := storetest.StartRedis(t)
	live := open(t, at(server.Addr))
	reply := func(code string) error {
		t.Helper()
		return live.client.Eval(t.Context(), "return redis.error_reply(ARGV[1])", nil, code+" said the server").Err()
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{refused, true},
		{cancelled, false},
		{context.DeadlineExceeded, false},
		{fmt.Errorf("redis: apply: %w", io.EOF), true},
		{fmt.Errorf("redis: apply: %w", goredis.ErrPoolTimeout), true},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), true},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, true},
		{reply("NOSCRIPT"), true}, {reply("READONLY"), true}, {reply("LOADING"), true}, {reply("TRYAGAIN"), true},
		{reply("CLUSTERDOWN"), true}, {reply("OOM"), true}, {fmt.Errorf("wrapped: %w", reply("BUSY")), true},
		{reply("WRONGTYPE"), false}, {reply("NOAUTH"), false}, {reply("NOPERM"), false}, {reply("ERR"), false},
		{goredis.Nil, false},
		{errors.New("our own mistake"), false},
	} {
		if got := Retryable(c.err); got != c.want {
			t.Errorf("Retryable(%v) = %t", c.err, got)
		}
	}
	server.Kill()
	if _, err := live.Detectors(t.Context()); !Retryable(err) {
		t.Errorf("a killed server: %v is not retryable", err)
	}
}

// A server that hangs costs the timeout, not for ever.
func TestTimeout(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := at(l.Addr().String())
	cfg.Timeout, cfg.Retries = 50*time.Millisecond, 0
	start := time.Now()
	if _, err := open(t, cfg).Detectors(t.Context()); !Retryable(err) || time.Since(start) > 5*time.Second {
		t.Fatalf("a hanging server: %v after %s", err, time.Since(start))
	}
}

func TestConfigValidate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Fatalf("the default: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"addresses: at least":         func(c *Config) { c.Addresses = nil },
		"has no port":                 func(c *Config) { c.Addresses = []string{"redis"} },
		"need master":                 func(c *Config) { c.Addresses = []string{"a:1", "b:1"} },
		"exclude each other":          func(c *Config) { c.Master, c.Cluster = "m", true },
		"only database 0":             func(c *Config) { c.Cluster, c.DB = true, 3 },
		"password_env is set":         func(c *Config) { c.PasswordFile, c.PasswordEnv = "f", "E" },
		"enabled is false":            func(c *Config) { c.TLS.CAFile = "ca.pem" },
		"go together":                 func(c *Config) { c.TLS = TLS{Enabled: true, CertFile: "c"} },
		"prefix:":                     func(c *Config) { c.Prefix = "a{b}" },
		"fine_ttl: 0s":                func(c *Config) { c.FineTTL = 0 },
		"example_cap: 0":              func(c *Config) { c.ExampleCap = 0 },
		"timeout: -1s":                func(c *Config) { c.Timeout = -time.Second },
		"retries: -1":                 func(c *Config) { c.Retries = -1 },
		"sentinel_password_env is":    func(c *Config) { c.SentinelPasswordFile, c.SentinelPasswordEnv = "f", "E" },
		"label_horizon: 0s is under ": func(c *Config) { c.LabelHorizon = 0 },
	} {
		c := DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if _, err := Open(c); err == nil {
			t.Errorf("%q was opened", want)
		}
	}
}

// The password is read from where the configuration points, and a wrong one is refused by the server.
func TestPassword(t *testing.T) {
	server := storetest.StartRedis(t, "--requirepass", "s3cret")
	for password, ok := range map[string]bool{"s3cret": true, "guess": false} {
		cfg := at(server.Addr)
		cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(cfg.PasswordFile, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := open(t, cfg).Check(t.Context())
		if ok != (err == nil) || Retryable(err) {
			t.Errorf("password %q: %v", password, err)
		}
		if err != nil && strings.Contains(err.Error(), password) {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}

func TestSecretSources(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHAKETABLE_TEST_PASSWORD", "from env")
	for _, c := range []struct{ file, env, want, fault string }{
		{"", "", "", ""},
		{file, "", "from file", ""},
		{"", "SHAKETABLE_TEST_PASSWORD", "from env", ""},
		{filepath.Join(dir, "none"), "", "", "password_file"},
		{"", "SHAKETABLE_TEST_UNSET", "", "is not set"},
	} {
		got, err := secret("password", c.file, c.env)
		if got != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("secret(%q, %q) = %q, %v", c.file, c.env, got, err)
		}
	}
}
