package pipeline

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

// labelled is healthy traffic, most of which gets its label after a while.
func labelled(share float64, delay time.Duration) habits {
	h := healthy()
	h.labelled, h.delay, h.wrong = share, delay, .05
	return h
}

func TestDelayIsTheQuantileOfWhatWasMeasured(t *testing.T) {
	y := func(bound int64) string { return FieldLabelDelay(bound) }
	for _, c := range []struct {
		name string
		bins []Counts
		want time.Duration
		n    int64
	}{
		{"nothing", nil, time.Minute, 0},
		{"exactly 95 of 100", []Counts{{y(60): 95, y(3600): 5}}, time.Minute, 100},
		{"94 of 100", []Counts{{y(60): 94, y(3600): 6}}, time.Hour, 100},
		{"of two generations", []Counts{{y(60): 50, "n": 1000}, {y(300): 40, y(86400): 10}}, 24 * time.Hour, 100},
		{"beyond the last bound", []Counts{{y(60): 50, FieldLabelDelayOver: 50}}, 30 * 24 * time.Hour, 100},
	} {
		totals := map[string]Counts{}
		for i, b := range c.bins {
			totals[string(rune('a'+i))] = b
		}
		if got, n := delayQuantile(totals); got != c.want || n != c.n {
			t.Errorf("%s: %v of %d labels, want %v of %d", c.name, got, n, c.want, c.n)
		}
	}
}

// Figures that need labels end when the labels should have come, in fine buckets where they reach so far, else in coarse
// ones. Times are worked out by hand from 11:38, one minute and one hour wide.
func TestLabelBuckets(t *testing.T) {
	m := machine2(t)
	mark := time.Date(2026, 11, 22, 11, 38, 20, 0, time.UTC)
	at := func(h, minute int) int64 { return time.Date(2026, 11, 22, h, minute, 0, 0, time.UTC).Unix() }
	for _, c := range []struct {
		window, delay time.Duration
		kind          CellKind
		first, last   int64
		count         int
	}{
		{15 * time.Minute, time.Minute, Fine, at(11, 22), at(11, 36), 15},
		{time.Hour, 5 * time.Hour, Fine, at(5, 38), at(6, 37), 60},
		{15 * time.Minute, 6 * time.Hour, Coarse, at(4, 0), at(4, 0), 1},
		{24 * time.Hour, time.Hour, Coarse, at(9-23, 0), at(9, 0), 24},
	} {
		cells := m.labelBuckets("g", c.window, c.delay, mark)
		if len(cells) != c.count || cells[0].Kind != c.kind || cells[0].Start != c.first || cells[len(cells)-1].Start != c.last {
			t.Errorf("window %v, delay %v: %d cells %+v to %+v", c.window, c.delay, len(cells), cells[0], cells[len(cells)-1])
		}
		width := map[CellKind]time.Duration{Fine: time.Minute, Coarse: time.Hour}[c.kind]
		if end := time.Unix(cells[len(cells)-1].Start, 0).Add(width); end.After(mark.Add(-c.delay)) {
			t.Errorf("window %v, delay %v ends at %v, when labels may still come", c.window, c.delay, end)
		}
	}
}

// Labels that come in their usual time make no noise, are shown for the pictures that are old enough, and are said to be
// provisional before.
func TestLateLabelsDoNotAlarm(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := labelled(.6, 50*time.Minute)
	s.minutes(45, a, 60, h)
	if w := s.last.Windows[0]; w.Labelled != 0 || w.CleanAccuracy != nil || s.last.Labels.Measured || s.last.Labels.Delay != 86400 {
		t.Fatalf("before the first label: %+v, %+v", w, s.last.Labels)
	}
	s.minutes(250, a, 60, h)
	w := s.last.Windows[0]
	if !s.last.Labels.Measured || s.last.Labels.Delay != 3600 || w.LabelDelay != 3600 {
		t.Errorf("measured delay: %+v, window %v", s.last.Labels, w.LabelDelay)
	}
	if w.Coverage == nil || math.Abs(w.Coverage.Value-.6) > .06 || w.Provisional || w.CleanAccuracy == nil || math.Abs(w.CleanAccuracy.Value-.95) > .04 {
		t.Errorf("shifted window: coverage %+v, accuracy %+v, provisional %v", w.Coverage, w.CleanAccuracy, w.Provisional)
	}
	if !s.last.Labels.Judged || math.Abs(s.last.Labels.Baseline-.6) > .05 {
		t.Errorf("coverage is not judged: %+v", s.last.Labels)
	}
	if ts := of(Ticketing, s.seen); len(ts) != 0 {
		t.Errorf("labels in their time brought %q: %s", states(ts), ts[0].Summary)
	}
}

func TestLabelsThatStopAreATicket(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	s.minutes(120, a, 60, labelled(.6, 10*time.Minute))
	before := s.last.Labels
	fired := s.named(Ticketing, s.minutes(60, a, 60, healthy()), CauseLabels, "labels stopped coming", "15m after they were judged",
		"First: ask who labels")
	golden(t, "labels", fired)
	if fired.Rule != "label coverage" || s.last.Trust.State != "" || len(of(Paging, s.seen)) != 0 {
		t.Errorf("%+v, trust %+v", fired, s.last.Trust)
	}
	if s.last.Labels.Delay != before.Delay {
		t.Errorf("the delay moved from %v to %v during the episode", before.Delay, s.last.Labels.Delay)
	}
	ts := of(Ticketing, s.minutes(120, a, 60, labelled(.6, 10*time.Minute)))
	golden(t, "labels_again", ts...)
	if states(ts) != "resolved" || !strings.Contains(ts[0].Summary, "have a label again") {
		t.Errorf("labels again: %q %+v", states(ts), ts)
	}
}

func TestWithoutAnyLabelNothingIsSaid(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.toWatching()
	s.minutes(60, a, 60, healthy())
	if v := s.last.Labels; v.Judged || v.Why != "no label has come yet" || v.Coverage != nil || len(s.seen) != 0 {
		t.Errorf("%+v, %q", v, states(s.seen))
	}
}

// Labels that are corrected move what is shown, and are no evidence.
func TestCorrectionsDoNotAlarm(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := labelled(.5, 0)
	s.minutes(120, a, 60, h)
	total := s.w.cells[Cell{Generation: a.ID, Kind: Total}]
	for range 60 { // every minute 30 labels of hours ago turn out to have been the other way round
		for i := range 9 {
			total[FieldCorrect(i)] -= 30
			total[FieldRevised(i)] -= 30
		}
		s.minutes(1, a, 60, h)
	}
	if ts := of(Ticketing, s.seen); len(ts) != 0 {
		t.Errorf("corrections brought %q: %s", states(ts), ts[0].Text)
	}
	for _, v := range s.last.Series {
		if v.Name == "ra_label" && v.Total.Value > .75 {
			t.Errorf("RA_label is shown as %v although a third of the labels were corrected", v.Total.Value)
		}
	}
	h.wrong = .5
	if ts := of(Ticketing, s.minutes(60, a, 60, h)); states(ts) != "firing" {
		t.Errorf("new labels that say wrong: %q", states(ts))
	}
}

// A store that was written by a version without slices and label delays goes on.
func TestOldStateIsRead(t *testing.T) {
	s := play(t, scenarioConfig())
	a := s.toWatching()
	for _, gone := range []string{`"labels":`} {
		if !strings.Contains(string(s.state), gone) {
			t.Fatalf("the state has no %s any more: this test is about nothing", gone)
		}
	}
	st, err := ParseState("meso", s.state)
	if err != nil {
		t.Fatal(err)
	}
	st.Labels = nil
	in, err := s.m.Read(t.Context(), Readers{Ledger: s.w}, "meso", st, s.w.now)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.m.Step(st, in)
	if err != nil || r.Snapshot.Slices != nil || r.Snapshot.Panel != nil || r.Snapshot.Generation.ID != a.ID {
		t.Errorf("%v: %+v", err, r.Snapshot)
	}
}

// Half of what came at first is allowed; where that leaves a share without a label of more than .9, whole blocks are trials.
// The blocks were computed apart: the smallest m with (1-c/2)^m <= .25.
func TestCoverageNull(t *testing.T) {
	for _, c := range []struct {
		labels, probes float64
		block          int64
		q0             float64
	}{{8000, 10000, 1, .6}, {5000, 10000, 1, .75}, {2100, 10000, 1, .895}, {1500, 10000, 18, .24576}, {500, 10000, 55, .24845},
		{100, 10000, 277, .24948}, {9, 3000, 0, 1}} {
		q0, block, err := coverageNull(metrics.Trials{N: c.probes, K: c.probes - c.labels}, .02)
		if err != nil || block != c.block || math.Abs(q0-c.q0) > 1e-4 && c.block > 0 {
			t.Errorf("%v labels of %v: null %v of blocks of %d (%v), want %v of %d", c.labels, c.probes, q0, block, err, c.q0, c.block)
		}
	}
}

// However the labels lie among the probes, no more blocks fail than really have none.
func TestBlocksNeverFailTooOften(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 200 {
		var l LabelState
		const block = 20
		var n, failed, since, labels int
		for range 50 {
			bucket, got := rng.IntN(70), 0
			for range bucket {
				n++
				since++
				if rng.Float64() < .03 {
					got++
					labels++
				}
				if since == block {
					if labels == 0 {
						failed++
					}
					since, labels = 0, 0
				}
			}
			l.judge(metrics.Trials{N: float64(bucket), K: float64(bucket - got)}, block)
		}
		if l.Judged.N != float64(n/block) || l.Judged.K > float64(failed) || l.Judged.Validate() != nil {
			t.Fatalf("%d probes: %+v, really %d blocks without a label", n, l.Judged, failed)
		}
	}
}

// One picture in fifty gets a label: that they stop is noticed, that they are rare is not.
func TestRareLabelsThatStopAreATicket(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	if ts := s.minutes(200, a, 100, labelled(.02, 10*time.Minute)); len(ts) != 0 || !s.last.Labels.Judged {
		t.Fatalf("rare labels: %q, %+v", states(ts), s.last.Labels)
	}
	s.named(Ticketing, s.minutes(60, a, 100, healthy()), CauseLabels, "labels stopped coming")
	if ts := of(Ticketing, s.minutes(300, a, 100, labelled(.02, 10*time.Minute))); states(ts) != "resolved" {
		t.Errorf("labels again: %q", states(ts))
	}
}

// A slice that begins to send later is burned in by itself, and a cap leaves slices out before variants.
func TestLaterSliceIsBurnedInByItself(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.Predecessor.MinProbes = 1000
	s := play(t, c)
	a := s.toSources()
	froze := len(s.froze)
	list := append(threeSources(), sent{"kiosk", 60, healthy()})
	s.together(10, a, list...)
	if v := s.last.Slices[1]; v.Slice != "source=kiosk" || v.Judged || v.Why != "no baseline yet: 600 of 1000 pictures" {
		t.Errorf("after 600 probes: %+v", v)
	}
	s.together(10, a, list...)
	if v := s.last.Slices[1]; v.Judged || v.Why != "no baseline yet: it has been seen for 19m of 30m" {
		t.Errorf("after 1200 probes in 20 minutes: %+v", v)
	}
	s.together(12, a, list...)
	if v := s.last.Slices[1]; !v.Judged || len(s.froze) != froze+1 || len(s.froze[froze].Series) != 2 ||
		!strings.Contains(s.froze[froze].Reason, "first probes of source kiosk under version 1.0") {
		t.Errorf("after 32 minutes: %+v, %+v", v, s.froze[froze:])
	}
	b := s.w.release("1.1")
	s.together(5, b, list...)
	for _, v := range s.last.Slices {
		if !v.Judged {
			t.Errorf("version 1.1 is not held against the slices of its predecessor: %+v", v)
		}
	}
}

func TestBaselineOfSeveralSlicesNamesNone(t *testing.T) {
	t.Parallel()
	web, tv := Series{Slice: "source=web"}, Series{Slice: "source=tv"}
	for want, list := range map[string][]Series{"source web": {web, web}, "2 slices each": {web, web, tv}} {
		if got := slicesWords(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestSlicesBeyondTheCapAreShown(t *testing.T) {
	t.Parallel()
	c := scenarioConfig()
	c.SeriesCap.Ticket = 7 // skew, coverage, RA_label of the detector and 4 of its 7 families
	s := play(t, c)
	a := s.w.release("1.0")
	s.together(60, a, threeSources()...)
	for _, v := range s.last.Slices {
		if v.Judged || !strings.Contains(v.Why, "beyond the cap of 7 series") || v.RR == nil {
			t.Errorf("%+v", v)
		}
	}
}

// Labels are about the pictures of their time, whichever version judged those: a roll-out leaves no gap in what is expected.
func TestLabelsOfTheVersionBeforeAreExpected(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	a := s.w.release("1.0")
	h := labelled(.6, 10*time.Minute)
	s.minutes(120, a, 60, h)
	b := s.w.release("1.1")
	s.minutes(5, b, 60, h)
	if s.last.Generation.ID != b.ID {
		t.Fatalf("active %+v", s.last.Generation)
	}
	before := s.now().Labels
	s.minutes(8, b, 60, h) // of the 15 minutes in which no picture of version 1.1 is old enough
	after := s.now().Labels
	if n := after.Counted.N - before.Counted.N; n != 8*60 || after.Delay != before.Delay {
		t.Errorf("%v pictures were old enough in 8 minutes, delay %v, then %v", n, before.Delay, after.Delay)
	}
	if ts := of(Ticketing, s.seen); len(ts) != 0 {
		t.Errorf("%q: %s", states(ts), ts[0].Summary)
	}
}
