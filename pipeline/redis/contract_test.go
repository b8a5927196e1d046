package redis

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"shaketable/pipeline/storetest"
)

func TestMain(m *testing.M) {
	LogTo(func(context.Context, string) {}) // the tests take servers away on purpose
	goleak.VerifyTestMain(m)
}

// at is the default configuration for a server.
func at(addresses ...string) Config {
	cfg := DefaultConfig()
	cfg.Addresses = addresses
	return cfg
}

// open connects to a server and closes when the test ends.
func open(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// fresh returns empty stores of one server, told apart by their prefix.
func fresh(cfg Config) func(t *testing.T) storetest.Subject {
	var n atomic.Int64
	return func(t *testing.T) storetest.Subject {
		cfg := cfg
		cfg.Prefix = fmt.Sprintf("shaketable-%d", n.Add(1))
		return storetest.Subject{Backend: open(t, cfg), Elapse: time.Sleep}
	}
}

func TestContractOnServer(t *testing.T) {
	t.Parallel()
	storetest.Contract(t, fresh(at(storetest.StartRedis(t).Addr)))
}

func TestContractOnMiniredis(t *testing.T) {
	t.Parallel()
	storetest.Contract(t, func(t *testing.T) storetest.Subject {
		m := miniredis.RunT(t)
		return storetest.Subject{Backend: open(t, at(m.Addr())), Elapse: m.FastForward}
	})
}

// Scripts that the server has forgotten are sent again.
func TestScriptFlush(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	plain := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer plain.Close()
	open := fresh(at(server.Addr))
	storetest.Contract(t, func(t *testing.T) storetest.Subject {
		s := open(t)
		if _, err := s.Fences(t.Context(), "detections"); err != nil {
			t.Fatal(err)
		}
		if err := plain.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return s
	})
}
