package kafka

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"shaketable/metrics"
	"shaketable/pipeline"
	"shaketable/pipeline/kafka/kafkatest"
)

func archive(t testing.TB, cfg Config, topic string) *Archive {
	t.Helper()
	cfg.Topics.Archive = topic
	a, err := NewArchive(cfg, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// archived are entries of every kind.
func archived() []pipeline.Entry {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	return []pipeline.Entry{
		{Kind: pipeline.EntryBaseline, Detector: "meso4", ID: "g/b", Fold: 9007199254740993, Generation: "g", Version: "1", Use: pipeline.BaselineInUse,
			Baseline: &metrics.Baseline{Schema: metrics.BaselineSchema, Kind: metrics.Accepted, ID: "b", Generation: "g", FrozenAt: at, Author: "ada",
				Reason: "why", Version: 2, Approved: &metrics.Approval{By: "grace", Reason: "yes", At: at},
				Series: map[string]metrics.Reference{"ra_self/jpeg/q=75": {N: 1000, K: 12.5}}}},
		{Kind: pipeline.EntryTransition, Detector: "meso4", ID: "e:firing", Fold: 3, Transition: &pipeline.Transition{ID: "e:firing", Detector: "meso4", At: at, Started: at, Muted: "m"}},
		{Kind: pipeline.EntryMute, Detector: "meso4", ID: "m", Fold: 3, Mute: &pipeline.Mute{ID: "m", Tier: pipeline.Paging, Until: at, Author: "ada", Reason: "x", At: at}},
		{Kind: pipeline.EntryEpisode, Detector: "meso4", ID: "page", Fold: 3, Tier: pipeline.Paging, Episode: &pipeline.Episode{ID: "e", Started: at, Onset: at,
			Broken: []pipeline.Broken{{Series: "ra_self"}}}},
	}
}

func byKey(list []pipeline.Entry) map[string]pipeline.Entry {
	m := map[string]pipeline.Entry{}
	for _, e := range list {
		m[e.Key()] = e
	}
	return m
}

func load(t testing.TB, a *Archive, detector string) map[string]pipeline.Entry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list, err := a.Load(ctx, detector)
	if err != nil {
		t.Fatal(err)
	}
	if len(byKey(list)) != len(list) {
		t.Fatalf("a key came twice: %+v", list)
	}
	return byKey(list)
}

func keep(t testing.TB, a *Archive, entries ...pipeline.Entry) {
	t.Helper()
	if err := a.Keep(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
}

func archiveKeeps(t *testing.T, cfg Config, topic string) {
	a := archive(t, cfg, topic)
	if got := load(t, a, "meso4"); len(got) != 0 {
		t.Fatalf("an empty topic holds %+v", got)
	}
	all := archived()
	keep(t, a, all...)
	other := all[2]
	other.Detector = "inception"
	keep(t, a, other)
	if got := load(t, a, "meso4"); !reflect.DeepEqual(got, byKey(all)) {
		t.Errorf("came back as\n%+v, was\n%+v", got, byKey(all))
	}
	if got := load(t, a, "inception"); len(got) != 1 {
		t.Errorf("another detector: %+v", got)
	}
	newer, stale, gone := all[2], all[2], all[1]
	newer.Fold, newer.Mute = 8, &pipeline.Mute{ID: "m", Author: "grace"}
	stale.Fold, stale.Mute = 7, &pipeline.Mute{ID: "m", Author: "an alerter that has lost its lease"}
	gone.Gone = true
	keep(t, a, newer, gone)
	keep(t, a, stale)
	got := load(t, archive(t, cfg, topic), "meso4")
	if len(got) != 3 || got[newer.Key()].Mute.Author != "grace" {
		t.Errorf("after changes: %+v", got)
	}
	keep(t, a, gone, all[1]) // removed again, and written anew
	if got := load(t, a, "meso4"); len(got) != 4 {
		t.Errorf("written anew: %+v", got)
	}
}

func TestArchive(t *testing.T) {
	_, cfg := fake(t, kfake.SeedTopics(3, "archive"), kfake.SeedTopics(1, "foreign", "mixed"))
	archiveKeeps(t, cfg, "archive")
	if _, err := NewArchive(cfg, quiet()); err == nil {
		t.Error("an archive without a topic is opened")
	}
	twice := cfg
	twice.Topics.Archive = twice.Topics.Detections
	if _, err := NewArchive(twice, quiet()); err == nil || !strings.Contains(err.Error(), "named twice") {
		t.Errorf("an archive in the topic of the detections: %v", err)
	}
	if _, err := archive(t, cfg, "absent").Load(t.Context(), "meso4"); err == nil || !strings.Contains(err.Error(), `"absent" does not exist`) {
		t.Errorf("absent topic: %v", err)
	}
	w := writer(t, cfg.Brokers)
	for topic, c := range map[string]struct{ key, value, want string }{
		"foreign": {"k", "not JSON", `foreign/0: offset 0: "k" holds no entry`},
		"mixed":   {"k", `{"kind":"mute","detector":"meso4","id":"m"}`, `mixed/0: offset 0: "k" holds an entry of another key`},
	} {
		if err := w.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte(c.key), Value: []byte(c.value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if _, err := archive(t, cfg, topic).Load(t.Context(), "meso4"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// cleaning lets a broker compact, and soon.
func cleaning() map[string]string {
	return map[string]string{"log.cleaner.enable": "true", "log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": "2097152"}
}

// realArchive needs a broker that compacts while the archive is read.
func realArchive(t *testing.T, b *kafkatest.Broker, cfg Config) {
	transport := &kafkago.Transport{}
	defer transport.CloseIdleConnections()
	client := kafkago.Client{Addr: kafkago.TCP(b.Address()), Transport: transport, Timeout: 10 * time.Second}
	topic := func(name string, settings ...string) {
		t.Helper()
		config := kafkago.TopicConfig{Topic: name, NumPartitions: 2, ReplicationFactor: 1}
		for i := 0; i < len(settings); i += 2 {
			config.ConfigEntries = append(config.ConfigEntries, kafkago.ConfigEntry{ConfigName: settings[i], ConfigValue: settings[i+1]})
		}
		answer, err := client.CreateTopics(t.Context(), &kafkago.CreateTopicsRequest{Topics: []kafkago.TopicConfig{config}})
		if err == nil {
			err = answer.Errors[name]
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	topic("compacted", "cleanup.policy", "compact", "segment.ms", "100", "segment.bytes", "1048576", "min.cleanable.dirty.ratio", "0.01", "delete.retention.ms", "100")
	topic("plain")
	topic("both", "cleanup.policy", "compact,delete")
	for name, want := range map[string]string{"compacted": "", "plain": "cleanup.policy=delete", "both": "retention.ms", "absent": "does not exist"} {
		got := strings.Join(archive(t, cfg, name).Check(t.Context()), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("check of topic %s: %q, want %q", name, got, want)
		}
	}
	archiveKeeps(t, cfg, "compacted")
	a := archive(t, cfg, "compacted")
	want := load(t, a, "meso4")
	before := size(t, a)
	for range 8 { // each in a segment of its own, so that the ones before can be cleaned
		for _, e := range want {
			keep(t, a, e)
		}
		time.Sleep(150 * time.Millisecond)
	}
	eventually(t, "the cleaner has removed what was replaced", func() bool { return size(t, a) < before+4 })
	if got := load(t, a, "meso4"); !reflect.DeepEqual(got, want) {
		t.Errorf("after cleaning:\n%+v, was\n%+v", got, want)
	}
}

// size counts the records of an archive, whoever wrote them.
func size(t testing.TB, a *Archive) (n int) {
	t.Helper()
	for p := range 2 {
		l := open(t, a.cluster.cfg, a.topic, p)
		end, err := a.cluster.offsetAt(t.Context(), a.topic, p, logEnd, committed)
		if err != nil {
			t.Fatal(err)
		}
		n += len(drain(t, l, 0, end))
	}
	return n
}
