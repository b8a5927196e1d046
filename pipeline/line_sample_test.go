package pipeline_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"shaketable/pipeline"
)

// A thousand media over an hour in which the rate changes twice. Media come from a topic, up to the window earlier or later
// than their detection. What is probed is worked out here, from the step at the record time of the detection; then the store
// is lost, and a worker with another rate in its configuration reads everything again: it probes the same.
func TestReplayAfterAChangeOfTheRateChoosesTheSame(t *testing.T) {
	w := newWorld()
	w.now = epoch
	window := 2 * time.Minute
	lead := pipeline.ScheduleLead(window)
	change := func(rate float64) *pipeline.Schedule {
		s := pipeline.NewSchedule(pipeline.ScheduleOptions{Store: w.store, Lead: lead, Now: func() time.Time { return w.now }, Log: testLog(),
			Health: &pipeline.Health{}, Policy: pipeline.SchedulePolicy{Rate: rate, Key: "k"}})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	change(.3)
	w.now = epoch.Add(20*time.Minute - lead)
	change(.9)
	w.now = epoch.Add(40*time.Minute - lead)
	live := change(.05)
	w.now = epoch.Add(2 * time.Hour)

	want := map[pipeline.Outcome]int64{}
	sampler := pipeline.NewSampler([]byte("0123456789abcdef"))
	send := func(r *rig) {
		clear(want)
		var media []pipeline.Record
		for i := range 1000 {
			id, at := fmt.Sprint("clip-", i), epoch.Add(time.Duration(i)*time.Hour/1000)
			rate := .3
			if minute := at.Sub(epoch).Minutes(); minute >= 40 {
				rate = .05
			} else if minute >= 20 {
				rate = .9
			}
			outcome := pipeline.Unsampled
			if sampler.Sample(id, rate) {
				outcome = pipeline.Probed
			}
			want["read"]++
			want[outcome]++
			r.detect(id, at, at, nil)
			apart := []time.Duration{-window + time.Second, 0, window - time.Second}[i%3]
			media = append(media, pipeline.Record{Topic: "media", Partition: 3, Time: at.Add(apart), Key: []byte(id),
				Value: []byte{byte(i % 199), byte(i), byte(i >> 8)}})
		}
		slices.SortStableFunc(media, func(a, b pipeline.Record) int { return a.Time.Compare(b.Time) }) // as a log is
		for _, m := range media {
			r.broker.logs[pipeline.Media].add(m)
		}
	}
	for _, c := range []struct {
		name     string
		schedule *pipeline.Schedule
	}{
		{"live", live},
		{"replay by a worker with another configuration", change(.5)},
		{"replay from steps that were read", pipeline.FixedSchedule(live.Steps()...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.line.Schedule, r.line.Join.Window = c.schedule, window
			send(r)
			r.run(r.applied)
			r.wantOutcomes(want)
			if want[pipeline.Probed] < 300 || want[pipeline.Unsampled] < 300 {
				t.Errorf("the test shows little: %v", want)
			}
			if n, of := r.line.Stats.Sampled.Load(), r.line.Stats.Eligible.Load(); n != want[pipeline.Probed] || of != 1000 {
				t.Errorf("%d of %d detections were sampled, want %d of 1000", n, of, want[pipeline.Probed])
			}
		})
	}
}
