package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"pgregory.net/rapid"

	"shaketable/pipeline"
)

func TestAssignGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topics := []string{"detections", "labels", "media"}[:rapid.IntRange(1, 3).Draw(t, "topics")]
		count := rapid.IntRange(1, 20).Draw(t, "partitions")
		var partitions []kafkago.Partition
		for _, topic := range topics {
			for p := range count {
				partitions = append(partitions, kafkago.Partition{Topic: topic, ID: p})
			}
		}
		var members []kafkago.GroupMember
		for i := range rapid.IntRange(1, 25).Draw(t, "members") {
			members = append(members, kafkago.GroupMember{ID: fmt.Sprint("m", i), Topics: topics})
		}
		members = rapid.Permutation(members).Draw(t, "order of members")
		partitions = rapid.Permutation(partitions).Draw(t, "order of partitions")
		got := copartRange{quiet()}.AssignGroups(members, partitions)
		owners := map[int]int{}
		for _, m := range members {
			first := got[m.ID][topics[0]]
			for _, topic := range topics {
				if !slices.Equal(got[m.ID][topic], first) {
					t.Fatalf("%s holds %v", m.ID, got[m.ID])
				}
			}
			if len(first) > (count+len(members)-1)/len(members) {
				t.Fatalf("%s holds %d of %d partitions among %d members", m.ID, len(first), count, len(members))
			}
			for _, p := range first {
				owners[p]++
			}
		}
		for p := range count {
			if owners[p] != 1 {
				t.Fatalf("partition %d has %d owners", p, owners[p])
			}
		}
	})
}

func TestAssignGroupsRefuses(t *testing.T) {
	member := []kafkago.GroupMember{{ID: "m", Topics: []string{"a", "b"}}}
	for name, partitions := range map[string][]kafkago.Partition{
		"counts differ": {{Topic: "a", ID: 0}, {Topic: "a", ID: 1}, {Topic: "b", ID: 0}},
		"one is absent": {{Topic: "a", ID: 0}},
		"ids differ":    {{Topic: "a", ID: 0}, {Topic: "b", ID: 1}},
	} {
		if got := (copartRange{quiet()}).AssignGroups(member, partitions); len(got["m"]) != 0 {
			t.Errorf("%s: assigned %v", name, got)
		}
	}
}

func TestSourceRefusesCrossedPartitions(t *testing.T) {
	s := &Source{cfg: Config{Topics: Topics{Detections: "d", Media: "m"}, Group: "g"}}
	_, err := s.numbers(map[string][]kafkago.PartitionAssignment{"d": {{ID: 0}, {ID: 1}}, "m": {{ID: 1}, {ID: 2}}})
	if err == nil || !strings.Contains(err.Error(), `[0 1] of topic "d" but [1 2] of "m"`) {
		t.Errorf("got %v", err)
	}
	if got, err := s.numbers(map[string][]kafkago.PartitionAssignment{"d": {{ID: 1}, {ID: 0}}, "m": {{ID: 0}, {ID: 1}}}); err != nil || !slices.Equal(got, []int{0, 1}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Members come and go: in every generation each holds the same numbers of all topics, and nobody shares one.
func TestCopartitionOverGenerations(t *testing.T) {
	t.Parallel()
	const partitions = 5
	c, cfg := fake(t, kfake.SeedTopics(partitions, "detections", "media", "labels"))
	cfg.Topics = Topics{Detections: "detections", Media: "media", Labels: "labels"}
	var mu sync.Mutex
	held := map[int]int{} // by number: how many serve it now
	served := 0
	serve := func(ctx context.Context, a pipeline.Assignment) {
		for _, s := range []pipeline.Stream{pipeline.Detections, pipeline.Media, pipeline.Labels} {
			if err := a.Commit(ctx, s, 1); err != nil && ctx.Err() == nil {
				t.Errorf("commit of %s/%d: %v", s, a.Partition(), err)
			}
		}
		mu.Lock()
		held[a.Partition()]++
		served++
		if held[a.Partition()] > 1 {
			t.Errorf("partition %d is served twice at once", a.Partition())
		}
		mu.Unlock()
		<-ctx.Done()
		mu.Lock()
		held[a.Partition()]--
		mu.Unlock()
	}
	var stops []func()
	settled := func(members int) {
		t.Helper()
		if _, err := c.WaitGroupStable(t.Context(), cfg.Group, members); err != nil {
			t.Fatal(err)
		}
		info := c.GroupInfo(cfg.Group)
		for _, m := range info.Members {
			if !slices.Equal(m.Assignment["detections"], m.Assignment["media"]) || !slices.Equal(m.Assignment["detections"], m.Assignment["labels"]) {
				t.Errorf("epoch %d: %s holds %v", info.Epoch, m.MemberID, m.Assignment)
			}
		}
		eventually(t, "every partition is served", func() bool {
			mu.Lock()
			defer mu.Unlock()
			for p := range partitions {
				if held[p] != 1 {
					return false
				}
			}
			return true
		})
	}
	for round := range 24 {
		if joins := round%6 < 3; joins || len(stops) == 1 {
			_, stop := member(t, cfg, serve)
			stops = append(stops, stop)
		} else {
			stops[0]()
			stops = stops[1:]
		}
		settled(len(stops))
	}
	if epoch := c.GroupInfo(cfg.Group).Epoch; epoch < 20 {
		t.Errorf("only %d generations", epoch)
	}
}

func TestEmptyAssignmentIsNormal(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	var served atomic.Int32
	serve := func(ctx context.Context, a pipeline.Assignment) {
		served.Add(1)
		defer served.Add(-1)
		<-ctx.Done()
	}
	member(t, cfg, serve)
	member(t, cfg, serve)
	if _, err := c.WaitGroupStable(t.Context(), cfg.Group, 2); err != nil {
		t.Fatal(err)
	}
	eventually(t, "one of two serves", func() bool { return served.Load() == 1 })
}

func TestStaleCommitFails(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(2, "detections"))
	got := make(chan pipeline.Assignment, 8)
	drained := make(chan error, 8)
	_, stop := member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		got <- a
		<-ctx.Done()
		drained <- a.Commit(context.Background(), pipeline.Detections, 5) // the drain is still inside the generation
	})
	first := <-got
	if err := first.Commit(t.Context(), pipeline.Detections, 3); err != nil {
		t.Fatalf("commit of a member: %v", err)
	}
	if err := first.Commit(t.Context(), pipeline.Labels, 3); err == nil {
		t.Error("commit to a stream that is not configured succeeds")
	}
	_, stop2 := member(t, cfg, func(ctx context.Context, _ pipeline.Assignment) { <-ctx.Done() })
	if err := <-drained; err != nil {
		t.Errorf("commit while draining: %v", err)
	}
	if _, err := c.WaitGroupStable(t.Context(), cfg.Group, 2); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(t.Context(), pipeline.Detections, 1); err == nil {
		t.Error("a commit of the generation before succeeds")
	}
	if at := c.GroupInfo(cfg.Group).Commits["detections"][int32(first.Partition())].Offset; at != 5 {
		t.Errorf("the group stands at %d, want 5", at)
	}
	stop2()
	stop()
	if err := first.Commit(t.Context(), pipeline.Detections, 1); err == nil {
		t.Error("a commit after leaving succeeds")
	}
}

func TestOverlongDrainLosesMembership(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	cfg.SessionTimeout, cfg.RebalanceTimeout = 300*time.Millisecond, 300*time.Millisecond
	joined, drained := make(chan bool, 8), make(chan error, 8)
	taken := make(chan bool, 8)
	member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		joined <- true
		<-ctx.Done()
		select {
		case <-taken: // by the other, because this one takes too long
		case <-time.After(10 * time.Second):
		}
		drained <- a.Commit(context.Background(), pipeline.Detections, 5)
	})
	<-joined
	member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		select {
		case taken <- true:
		default:
		}
		<-ctx.Done()
	})
	if err := <-drained; err == nil {
		t.Error("a member that the group went on without can still commit")
	}
}

func TestEarlyReturnDoesNotEndTheGeneration(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(2, "detections"))
	var calls, running atomic.Int32
	member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		calls.Add(1)
		if a.Partition() == 0 {
			return
		}
		running.Add(1)
		defer running.Add(-1)
		<-ctx.Done()
	})
	eventually(t, "both are served", func() bool { return calls.Load() == 2 && running.Load() == 1 })
	time.Sleep(10 * cfg.Heartbeat) // a generation that ends does so at the next heartbeat
	if info := c.GroupInfo(cfg.Group); calls.Load() != 2 || running.Load() != 1 || info.Epoch != 1 {
		t.Errorf("%d serves begun, %d running, generation %d", calls.Load(), running.Load(), info.Epoch)
	}
}

func TestSourceWaitsForTopics(t *testing.T) {
	c, cfg := fake(t, kfake.SeedTopics(2, "detections"), kfake.AllowAutoTopicCreation())
	cfg.Topics.Media = "media"
	served := make(chan int, 8)
	member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		served <- a.Partition()
		<-ctx.Done()
	})
	time.Sleep(3 * cfg.MetadataAge)
	if c.TopicInfo("media") != nil {
		t.Fatal("waiting for a topic has created it")
	}
	if err := c.CreateTopic("media", 2, nil); err != nil {
		t.Fatal(err)
	}
	<-served
	<-served
}

func TestSourceServesNewPartitions(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	served := make(chan int, 8)
	member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		served <- a.Partition()
		<-ctx.Done()
	})
	<-served
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(cfg.Brokers...), Transport: transport}
	if _, err := client.CreatePartitions(t.Context(), &kafkago.CreatePartitionsRequest{Topics: []kafkago.TopicPartitionsConfig{{Name: "detections", Count: 2}}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "partition 1 is served", func() bool {
		select {
		case p := <-served:
			return p == 1
		default:
			return false
		}
	})
}

func TestForeignStrategyIsAnError(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(1, "detections"))
	foreign, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{ID: cfg.Group, Brokers: cfg.Brokers, Topics: []string{"detections"}})
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	if _, err := foreign.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := NewSource(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(t.Context(), nil); !errors.Is(err, kafkago.InconsistentGroupProtocol) || !strings.Contains(err.Error(), cfg.Group) {
		t.Errorf("got %v", err)
	}
}

// A worker counts what it reads while leaders and coordinators move and the brokers restart: nothing is lost.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const partitions, each = 4, 600
	opts := []kfake.Opt{kfake.NumBrokers(3), kfake.SeedTopics(partitions, "detections", "media"), kfake.GroupMinSessionTimeout(100 * time.Millisecond),
		kfake.DataDir(t.TempDir()), kfake.SyncWrites()}
	c, cfg := fake(t, opts...)
	cfg.Topics.Media = "media"
	var ports []int
	for _, a := range c.ListenAddrs() {
		ports = append(ports, port(t, a))
	}
	y := newTally()
	streams := []pipeline.Stream{pipeline.Detections, pipeline.Media}
	member(t, cfg, y.serve(streams...))
	_, stop := member(t, cfg, y.serve(streams...))
	w := writer(t, cfg.Brokers)
	for step := range 6 {
		for p := range int32(partitions) {
			write(t, w, "detections", p, step*each/6, (step+1)*each/6)
			write(t, w, "media", p, step*each/6, (step+1)*each/6)
		}
		want := (step + 1) * each / 6 * partitions * 2
		switch step {
		case 0, 2:
			c.ShufflePartitionLeaders()
		case 1:
			c.RehashCoordinators()
		case 3:
			stop()
		case 4:
			c.Close()
			again, err := kfake.NewCluster(append(opts, kfake.Ports(ports...))...)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(again.Close)
			guard(t, again)
			c = again
		}
		eventually(t, fmt.Sprintf("%d records after step %d", want, step), func() bool { return y.count() >= want })
	}
	if got := y.count(); got != partitions*2*each {
		t.Errorf("%d distinct records of %d", got, partitions*2*each)
	}
	if len(y.wrong) > 0 {
		t.Errorf("faults reached the reader: %v", y.wrong)
	}
}

func TestLag(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(2, "detections"))
	w := writer(t, cfg.Brokers)
	write(t, w, "detections", 0, 0, 10)
	proceed := make(chan bool)
	s, stop := member(t, cfg, func(ctx context.Context, a pipeline.Assignment) {
		l := a.Log(pipeline.Detections)
		if a.Log(pipeline.Media) != nil {
			t.Error("a stream that is not configured has a log")
		}
		if _, err := l.Bounds(ctx); err != nil {
			t.Error(err)
		}
		if a.Partition() == 0 {
			<-proceed
			if p, err := l.Fetch(ctx, 0); err != nil || p.Next != 10 {
				t.Errorf("%+v, %v", p, err)
			}
			if err := a.Commit(ctx, pipeline.Detections, 4); err != nil {
				t.Error(err)
			}
			proceed <- true
		}
		<-ctx.Done()
	})
	eventually(t, "the end of partition 0 is known", func() bool { l := s.Lag(); return len(l) == 2 && l[0].End == 10 })
	if l := s.Lag()[0]; l.Fetch() != -1 || l.Position != -1 {
		t.Errorf("before the first fetch: %+v", l)
	}
	proceed <- true
	<-proceed
	if l := s.Lag()[0]; l.Fetch() != 0 || l.Commit() != 6 {
		t.Errorf("after a fetch to 10 and a commit of 4: %+v", l)
	}

	// Nothing is fetched any more, but the log grows, and so must the lag.
	write(t, w, "detections", 0, 10, 13)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go s.refreshEnds(ctx, 20*time.Millisecond)
	eventually(t, "the lag grows while fetching is held up", func() bool { l := s.Lag()[0]; return l.Fetch() == 3 && l.Commit() == 9 })
	cancel()
	stop()
	if l := s.Lag(); len(l) != 0 {
		t.Errorf("after leaving: %+v", l)
	}
}

func port(t testing.TB, address string) int {
	t.Helper()
	var p int
	if _, err := fmt.Sscanf(address[strings.LastIndex(address, ":")+1:], "%d", &p); err != nil {
		t.Fatal(err)
	}
	return p
}
