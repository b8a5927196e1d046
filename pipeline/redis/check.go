package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	goredis "github.com/redis/go-redis/v9"
)

// Check asks every master whether it can keep the invariant: version 6.2 or later, maxmemory-policy noeviction, writable.
// Notes are what could not be found out, or is allowed but worth a line in the log.
func (s *Store) Check(ctx context.Context) (notes []string, err error) {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("redis: check: %w", err)
	}
	cluster, ok := s.client.(*goredis.ClusterClient)
	if !ok {
		return checkServer(ctx, "the server", s.client)
	}
	var mu sync.Mutex
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *goredis.Client) error {
		found, err := checkServer(ctx, node.Options().Addr, node)
		mu.Lock()
		defer mu.Unlock()
		notes = append(notes, found...)
		return err
	})
	return notes, err
}

// checkServer looks at one node.
func checkServer(ctx context.Context, name string, c goredis.Cmdable) (notes []string, err error) {
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "replication", "persistence"} {
		reply, err := c.Info(ctx, section).Result()
		var refused goredis.Error
		if errors.As(err, &refused) && !Retryable(err) {
			continue // no such section or not allowed: the figures stay unknown
		}
		if err != nil {
			return nil, fmt.Errorf("redis: check %s: %w", name, err)
		}
		for line := range strings.Lines(reply) {
			if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				info[k] = v
			}
		}
	}
	return judge(name, info)
}

// judge decides on the fields of INFO.
func judge(name string, info map[string]string) (notes []string, err error) {
	var faults []error
	switch policy := info["maxmemory_policy"]; policy {
	case "noeviction":
	case "":
		notes = append(notes, name+": maxmemory-policy is unknown; it has to be noeviction")
	default:
		faults = append(faults, fmt.Errorf("redis: %s has maxmemory-policy %s: it would drop fences and counters silently; set it to noeviction", name, policy))
	}
	version, known := info["redis_version"], false
	if major, minor, ok := majorMinor(version); ok {
		known = true
		if major < 6 || major == 6 && minor < 2 {
			faults = append(faults, fmt.Errorf("redis: %s is version %s: 6.2 or later is needed", name, version))
		}
	}
	if !known {
		notes = append(notes, name+": version is unknown; 6.2 or later is needed")
	}
	if role := info["role"]; role != "" && role != "master" {
		faults = append(faults, fmt.Errorf("redis: %s is a %s: writing needs the master; configure master (Sentinel) or its address", name, role))
	}
	if info["aof_enabled"] == "0" {
		notes = append(notes, name+": append-only file is off; after a restart the counters come back from a snapshot or from Kafka")
	}
	return notes, errors.Join(faults...)
}

func majorMinor(version string) (major, minor int, ok bool) {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	return major, minor, err1 == nil && err2 == nil
}
