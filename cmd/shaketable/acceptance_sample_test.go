//go:build acceptance

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shaketable/pipeline"
)

// A worker is started with another rate while records of both sides of the change lie in Kafka; then Redis loses everything.
// Every record is sampled at the rate of its own time, both times, and the store gets its schedule back.
func TestTheRateChangesAndRedisIsLost(t *testing.T) {
	s := newStage(t, 3, "", "")
	sampler := pipeline.NewSampler([]byte(acceptanceKey))
	configure := func(rate string) {
		text, err := os.ReadFile(s.config)
		if err != nil {
			t.Fatal(err)
		}
		base, _, _ := strings.Cut(string(text), "# from here on\n")
		s.write("shaketable.yaml", strings.Replace(base, "sample: {rate: 1}", "sample: {rate: "+rate+"}", 1)+
			fmt.Sprintf("# from here on\ndetectors_file: %s\n", filepath.Join(s.data, "detectors.yaml")))
	}
	picture, err := os.ReadFile(filepath.Join(s.data, "media", "face2face-750_743-0000.png"))
	if err != nil {
		t.Fatal(err)
	}
	producer, sent, want := s.producer(), 0, int64(0)
	send := func(n int, ahead time.Duration, rate float64) {
		var detections, media []pipeline.Record
		for range n {
			id := fmt.Sprint("clip-", sent)
			sent++
			at := time.Now().Add(ahead)
			d := detection(id, "meso4-f2f", "2018.1", .5, at)
			d.Time = at
			detections = append(detections, d)
			media = append(media, pipeline.Record{Key: []byte(id), Value: picture, Time: at})
			if sampler.Place(id) < rate {
				want++
			}
		}
		for topic, records := range map[string][]pipeline.Record{s.topics.Media: media, s.topics.Detections: detections} {
			if err := producer.Produce(t.Context(), topic, records...); err != nil {
				t.Fatal(err)
			}
		}
	}
	// All pictures are the same: the first is probed, the others are its duplicates, but every one of them was sampled.
	done := func() bool {
		o := s.outcomes()
		return o["read"] == int64(sent) && o["probed"]+o["duplicate"]+o["unsampled"] == int64(sent)
	}
	check := func(when string) {
		t.Helper()
		if o := s.outcomes(); o["probed"]+o["duplicate"] != want {
			t.Errorf("%s: %d of %d were sampled, want %d: %v", when, o["probed"]+o["duplicate"], sent, want, o)
		}
	}
	configure("1")
	send(60, 0, 1)
	w := s.start()
	s.await("the first records", time.Minute, done)
	w.stop()
	check("before the change")

	configure(".25")
	w = s.start()
	send(60, 0, 1) // the change counts from some minutes after the start on
	send(120, 30*time.Minute, .25)
	s.await("the records of both sides", time.Minute, done)
	check("after the change")
	if contains("the rate of the sample changes", w) != 1 {
		t.Error("the change is not told")
	}
	steps, err := s.client.LRange(t.Context(), "shaketable:{r}:schedule", 0, -1).Result()
	if err != nil || len(steps) != 2 || !strings.HasPrefix(steps[0], "1 "+sampler.KeyID()) || !strings.HasPrefix(steps[1], "0.25 "+sampler.KeyID()) {
		t.Fatalf("schedule %q, %v", steps, err)
	}
	t.Setenv("SHAKETABLE_SAMPLE_KEY", acceptanceKey)
	probed := 0
	for i := range 60 {
		var out, stderr strings.Builder
		if code := run(t.Context(), []string{"explain", fmt.Sprint("clip-", i), "--config", s.config}, &out, &stderr); code != exitFine {
			t.Fatalf("explain: exit %d\n%s%s", code, out.String(), stderr.String())
		}
		if strings.Contains(out.String(), "meso4-f2f 2018.1, generation ") {
			probed++
		}
	}
	if probed != 1 {
		t.Errorf("explain tells of %d probes, want the one that has no duplicate", probed)
	}

	if reply, err := s.redis.Do("FLUSHALL"); err != nil || !strings.HasPrefix(reply, "+OK") {
		t.Fatal(reply, err)
	}
	send(30, 30*time.Minute, .25)
	s.await("the rebuilding", time.Minute, done)
	check("after Redis was lost")
	again, err := s.client.LRange(t.Context(), "shaketable:{r}:schedule", 0, -1).Result()
	if err != nil || fmt.Sprint(again) != fmt.Sprint(steps) {
		t.Errorf("the schedule came back as %q, was %q, %v", again, steps, err)
	}
	w.stop()
}
