package redis

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

// The contract holds on a real cluster of three masters: no script touches two slots.
func TestContractOnCluster(t *testing.T) {
	t.Parallel()
	var addresses []string
	for range 3 {
		addresses = append(addresses, storetest.StartRedis(t, "--cluster-enabled", "yes").Addr)
	}
	join(t, addresses)
	cfg := at(addresses...)
	cfg.Cluster = true
	if notes, err := open(t, cfg).Check(t.Context()); err != nil || len(notes) != 3 {
		t.Fatalf("check of three masters: %q, %v", notes, err)
	}
	storetest.Contract(t, fresh(cfg))
}

// join makes a cluster of empty nodes, each with a third of the slots, and waits until all agree.
func join(t *testing.T, addresses []string) {
	t.Helper()
	const slots = 16384
	var nodes []*goredis.Client
	for i, a := range addresses {
		node := goredis.NewClient(&goredis.Options{Addr: a, Protocol: 2})
		t.Cleanup(func() { node.Close() })
		nodes = append(nodes, node)
		from, to := i*slots/len(addresses), (i+1)*slots/len(addresses)-1
		if err := node.ClusterAddSlotsRange(t.Context(), from, to).Err(); err != nil {
			t.Fatal(err)
		}
		// Two nodes of one epoch settle their differences in seconds; three told apart from the start have none.
		if err := node.Do(t.Context(), "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(addresses[0])
		if err := node.ClusterMeet(t.Context(), host, port).Err(); i > 0 && err != nil {
			t.Fatal(err)
		}
	}
	agreed := func() bool {
		for _, node := range nodes {
			info, err := node.ClusterInfo(t.Context()).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
			shards, err := node.ClusterSlots(t.Context()).Result() //nolint:staticcheck // its successor needs Redis 7
			if err != nil || len(shards) != len(addresses) {
				return false
			}
		}
		return true
	}
	until(t, "the cluster to agree", agreed)
}

// until waits for a real server to come to something.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// Sentinel names the master; when it dies and the replica is promoted, the same store goes on where the replica stood.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	master := storetest.StartRedis(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	replica := storetest.StartRedis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	direct := goredis.NewClient(&goredis.Options{Addr: replica.Addr, Protocol: 2})
	defer direct.Close()
	until(t, "the replica to follow", func() bool {
		info, err := direct.Info(t.Context(), "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	cfg := at(startSentinel(t, host, port))
	cfg.Master, cfg.Timeout = "shake", time.Second
	s := open(t, cfg)
	if _, err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	begin(t, s)
	applied(t, s, batch(-1, 4), pipeline.OK)
	until(t, "the replica to have it", func() bool {
		off, err := direct.HGet(t.Context(), s.keys.fence(0, pipeline.Detections), "off").Result()
		return err == nil && off == "4"
	})
	master.Kill()
	next := batch(4, 9)
	var verdict pipeline.Verdict
	until(t, "the replica to take over", func() bool {
		v, _, err := s.Apply(t.Context(), next)
		if err != nil && !Retryable(err) {
			t.Fatalf("during the fail-over: %v is not retryable", err)
		}
		verdict = v
		return err == nil
	})
	if n := read(t, s)["n"]; n != 2 || verdict != pipeline.OK {
		t.Fatalf("after the fail-over: %s, n is %d", verdict, n)
	}
}

// startSentinel watches one master alone and promotes after 300 ms.
func startSentinel(t *testing.T, host, port string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, own, _ := net.SplitHostPort(addr)
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor shake %s %s 1\nsentinel down-after-milliseconds shake 300\nsentinel failover-timeout shake 3000\n", own, host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	client := goredis.NewSentinelClient(&goredis.Options{Addr: addr, Protocol: 2})
	defer client.Close()
	until(t, "the sentinel to know the replica", func() bool {
		found, err := client.Replicas(t.Context(), "shake").Result()
		return err == nil && len(found) == 1
	})
	return addr
}
