package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
	"shaketable/pipeline/storetest"
)

func TestScheduleContractOnServer(t *testing.T) {
	t.Parallel()
	open := fresh(at(storetest.StartRedis(t).Addr))
	storetest.ContractSchedule(t, func(t *testing.T) storetest.ScheduleBackend { return open(t).Backend.(*Store) })
}

func TestScheduleContractOnMiniredis(t *testing.T) {
	t.Parallel()
	storetest.ContractSchedule(t, func(t *testing.T) storetest.ScheduleBackend { return open(t, at(miniredis.RunT(t).Addr())) })
}

// What others have written into the key is named, and nothing is written over it.
func TestScheduleRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	server := storetest.StartRedis(t)
	s := open(t, at(server.Addr))
	plain := goredis.NewClient(&goredis.Options{Addr: server.Addr})
	defer plain.Close()
	key := s.keys.registry("schedule")
	for _, c := range []struct {
		name  string
		write func() error
		want  string
	}{
		{"another type", func() error { return plain.Set(t.Context(), key, "x", 0).Err() }, "is a string, not a list"},
		{"another form", func() error { return plain.RPush(t.Context(), key, "0.5").Err() }, "has 1 parts, not 3"},
		{"no rate", func() error { return plain.RPush(t.Context(), key, "much k 5").Err() }, `rate "much" is no number`},
	} {
		if err := plain.Del(t.Context(), key).Err(); err != nil {
			t.Fatal(err)
		}
		if err := c.write(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Steps(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		_, err := s.AppendSteps(t.Context(), 1, pipeline.RateSteps{{Rate: .5, Key: "k"}}, time.Minute)
		if err == nil {
			t.Errorf("%s: a step was appended", c.name)
		}
	}
}

// A report of the budget goes away by itself.
func TestSpendingExpires(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	s := open(t, at(m.Addr()))
	start := time.Now().Truncate(time.Hour)
	if err := s.ReportSpending(t.Context(), start, "w", pipeline.Spending{Eligible: 7}, 3*time.Hour); err != nil {
		t.Fatal(err)
	}
	m.FastForward(3*time.Hour + time.Second)
	if keys := m.Keys(); len(keys) != 0 {
		t.Errorf("kept %v", keys)
	}
}
