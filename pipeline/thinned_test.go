package pipeline

import (
	"slices"
	"strings"
	"testing"
	"time"

	"shaketable/metrics"
)

// The clock path over probes that leave most variants out and attack a sample: see [world.thin].

// What is pooled is frozen together: not before its rarest variant has matured, and labels and attacks, which take longer,
// after it, in baselines of their own.
func TestBurnInWaitsForTheRarestVariant(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig()) // 1000 probes of a variant, and 30 minutes
	g := s.w.thin("1.0")
	h := healthy()
	h.moves["pgd10_delta_uint8"], h.labelled = .5, .3
	s.minutes(60, g, 60, h) // 3600 probes: 720 of most variants
	if len(s.froze) != 0 {
		t.Fatalf("frozen after 720 probes of a variant: %+v", s.froze)
	}
	s.minutes(40, g, 60, h)
	if len(s.froze) != 1 || s.froze[0].Series["ra_self/gain/0.725"].N < 1000 || s.froze[0].Series["ra_self/jpeg/q=75"].N < 5000 {
		t.Fatalf("after 1200 probes of a variant: %+v", s.froze)
	}
	for name := range s.froze[0].Series {
		if parsed, err := parseSeriesName(name); err != nil || parsed.Metric == MetricRALabel || !Natural(parsed.Family) {
			t.Errorf("%s was frozen with the natural series", name)
		}
	}
	s.minutes(110, g, 60, h) // 12600 probes, 1260 attacked; 756 labels of most variants
	if len(s.froze) != 2 || len(s.froze[1].Series) != 1+len(g.Edges) || s.froze[1].Series["rr(0.05)/pgd10_delta_uint8/2/255"].N < 1000 {
		t.Fatalf("after 1200 attacks: %+v", s.froze[1:])
	}
	s.minutes(90, g, 60, h)
	if len(s.froze) != 3 || len(s.froze[2].Series) != 8 || s.froze[2].Series["ra_label/gain/0.725"].N < 1000 {
		t.Fatalf("after 1000 labels: %+v", s.froze[2:])
	}
	for _, v := range s.last.Series {
		attack := v.Family == "pgd10_delta_uint8"
		if v.Tier == Paging && (!v.Judged || attack) || attack && v.Metric == MetricRASelf && (!v.Judged || v.Tier != Ticketing) {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
	for _, tier := range tiers() {
		if states(of(tier, s.seen)) != "" {
			t.Errorf("stable traffic brought %s", states(of(tier, s.seen)))
		}
	}
}

// A file that knows some of the variants serves those; families are burned in whole.
func TestFileOfFewerVariantsIsCompleted(t *testing.T) {
	w := newWorld(4)
	before := w.release("0.9")
	w.pass(time.Minute, before, 2000, healthy())
	file, err := FreezeBaseline(metrics.File, before, w.cells[Cell{Generation: before.ID, Kind: Total}], w.now, "test", func(name string, _ metrics.Trials) bool {
		return !slices.Contains([]string{"ra_self/jpeg/q=40", "rr(0.05)/jpeg/q=40"}, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	file.Provenance[ProvenanceModel] = "sha-1.0"
	s := play(t, scenarioConfig(), file)
	g := s.w.release("1.0")
	s.minutes(40, g, 60, healthy())
	if len(s.froze) != 2 || s.froze[0].Kind != metrics.File || s.froze[1].Kind != metrics.BurnIn {
		t.Fatalf("froze %+v", s.froze)
	}
	for _, v := range s.last.Series {
		kind := metrics.File
		switch v.Name {
		case "ra_self", "rr(0.05)", "ra_self/jpeg", "rr(0.05)/jpeg", "ra_self/jpeg/q=40", "rr(0.05)/jpeg/q=40":
			kind = metrics.BurnIn
		}
		if v.Tier == Paging && (!v.Judged || v.BaselineKind != kind) {
			t.Errorf("%s is held against %q, want %q", v.Name, v.BaselineKind, kind)
		}
	}
}

// A drop in what runs rarely is noticed, and the message names it; the attacks' own failures cost no trust and leave the
// natural figures alone.
func TestThinnedDropIsNoticed(t *testing.T) {
	t.Parallel()
	s := play(t, scenarioConfig())
	g := s.w.thin("1.0")
	s.minutes(100, g, 60, healthy())
	worse := healthy()
	worse.moves = with(worse.moves, "gain", .7)
	for i := range 60 {
		s.minutes(1, g, 60, worse)
		m, at := s.w.meters[g.ID], BucketsAt(s.w.now, s.w.windows.Fine, s.w.windows.Coarse)
		for range 50 {
			m.CountAttackFailure(ReasonTimeout, at, s.w.cells)
		}
		if of(Paging, s.seen) != nil {
			t.Logf("noticed after %d probes, %d of them with the variant", 60*(i+1), 12*(i+1))
			break
		}
	}
	fired := of(Paging, s.seen)
	if len(fired) != 1 || !strings.Contains(fired[0].Rule, "gain") {
		t.Fatalf("%+v", fired)
	}
	if s.last.Trust.State != "" {
		t.Errorf("attacks that failed cost trust: %+v", s.last.Trust)
	}
	for _, v := range s.last.Windows[0].Scopes {
		natural := v.RAHigh-v.RALow < 1e-9 && v.RASelf != nil
		if attack := v.Family == "pgd10_delta_uint8"; natural == attack {
			t.Errorf("%s %s: RA %v to %v", v.Scope, v.Family, v.RALow, v.RAHigh)
		}
	}
}
