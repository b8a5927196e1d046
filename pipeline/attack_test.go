package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// behaviour is an attacker that does what a test wants.
type behaviour func(ctx context.Context) ([]float64, error)

func (b behaviour) Attack(ctx context.Context, _ pipeline.Image, _ int64, _ *bool) ([]float64, error) {
	return b(ctx)
}

// steady is a model that always returns the same.
type steady []float64

func (s steady) Size() (int, int) { return 1, 1 }
func (s steady) Probe(context.Context, pipeline.Image, int64) ([]float64, error) {
	return append([]float64(nil), s...), nil
}

// claims lets everybody win.
type claims struct{ pipeline.Store }

func (claims) Win(_ context.Context, c pipeline.DigestClaim) (string, error) { return c.Holder, nil }

// probeWith probes one media whose attacks behave in a certain way.
func probeWith(t *testing.T, ctx context.Context, rate float64, b pipeline.Attacker) (f pipeline.Finding, observed string) {
	t.Helper()
	suite := perturb.Suite{Name: "s", Version: "1", Variants: []perturb.Variant{{Family: "gain", Severity: 1, Parameter: "0.85"}}}
	d := pipeline.Detector{Name: "toy", Version: "1", Threshold: .5}
	g := pipeline.NewGeneration(d, "digest", suite, []perturb.Variant{{Family: "pgd10_delta_uint8", Parameter: "2/255"}, {Family: "fgsm_self_uint8", Parameter: "2/255"}},
		[]int64{50_000}, "plan")
	meter, err := pipeline.NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	observed = "nothing"
	p := &pipeline.Prober{Store: claims{}, Timeout: time.Minute, ClaimFor: time.Hour, Slots: make(chan struct{}, 1),
		Attacks: &pipeline.AttackLane{Sampler: pipeline.NewSampler([]byte("0123456789abcdef")), Rate: rate, Timeout: 10 * time.Second,
			Observe: func(_ *pipeline.Subject, reason string, _ time.Duration) { observed = reason }},
		Prepare: func(context.Context, []byte, *pipeline.Detection, perturb.Input) (pipeline.Image, error) {
			return pipeline.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}, nil
		}}
	f = p.Probe(ctx, &pipeline.Detection{MediaID: "m", Score: .7}, &pipeline.Subject{Detector: d, Generation: g, Suite: suite, Model: steady{.7, .8}, Attacker: b, Meter: meter},
		"holder", func(context.Context) ([]byte, error) { return []byte{1}, nil })
	return f, observed
}

// witness says what it was asked to attack.
type witness func(img pipeline.Image, seed int64, fake *bool)

func (w witness) Attack(_ context.Context, img pipeline.Image, seed int64, fake *bool) ([]float64, error) {
	w(img, seed, fake)
	return []float64{.2, .9}, nil
}

// An attack starts from the picture of the probe, and from the seed that evaluate uses for the same media and suite.
func TestAttackStartsWhereTheProbeDoes(t *testing.T) {
	asked := 0
	probeWith(t, t.Context(), 1, witness(func(img pipeline.Image, seed int64, fake *bool) {
		asked++
		if img.Width != 1 || len(img.Pix) != 3 || seed != perturb.Seed("m", "1") || fake != nil {
			t.Errorf("attacks %+v with seed %d and label %v", img, seed, fake)
		}
	}))
	if asked != 1 {
		t.Errorf("attacked %d times", asked)
	}
}

func TestAttackFailsWithoutTheProbe(t *testing.T) {
	late := func(ctx context.Context) ([]float64, error) { <-ctx.Done(); return nil, context.Cause(ctx) }
	for _, c := range []struct {
		name      string
		rate      float64
		attack    behaviour
		decisions string
		reason    string
		says      string
		observed  string
	}{
		{"succeeds", 1, func(context.Context) ([]float64, error) { return []float64{.2, .9}, nil }, "1101", "", "", ""},
		{"leaves one out", 1, func(context.Context) ([]float64, error) { return []float64{math.NaN(), .9}, nil }, "11-1", "", "", ""},
		{"not sampled", 0, func(context.Context) ([]float64, error) { panic("attacked") }, "11--", "", "", "nothing"},
		{"an error", 1, func(context.Context) ([]float64, error) { return nil, errors.New("no gradient") }, "11--", pipeline.ReasonModel, "no gradient", pipeline.ReasonModel},
		{"no memory", 1, func(context.Context) ([]float64, error) {
			return nil, fmt.Errorf("batch of 8: %w", pipeline.ErrOutOfMemory)
		}, "11--",
			pipeline.ReasonMemory, "out of memory", pipeline.ReasonMemory},
		{"too late", 1, late, "11--", pipeline.ReasonTimeout, "attacks took longer than 10s (attacks.timeout)", pipeline.ReasonTimeout},
		{"a bug", 1, func(context.Context) ([]float64, error) { panic("index out of range") }, "11--", pipeline.ReasonPanic, "index out of range", pipeline.ReasonPanic},
		{"too few", 1, func(context.Context) ([]float64, error) { return []float64{.1}, nil }, "11--", pipeline.ReasonModel, "1 probabilities for 2 attacks", pipeline.ReasonModel},
		{"no probability", 1, func(context.Context) ([]float64, error) { return []float64{.1, math.Inf(1)}, nil }, "11--", pipeline.ReasonModel,
			"no probability", pipeline.ReasonModel},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, observed := probeWith(t, t.Context(), c.rate, c.attack)
				if f.Outcome != pipeline.Probed || f.Err != nil || f.Reading.Decisions != c.decisions {
					t.Fatalf("the probe ended as %q (%v), decisions %+v, want %s", f.Outcome, f.Err, f.Reading, c.decisions)
				}
				if f.Attack.Reason != c.reason || (f.Attack.Err == nil) != (c.says == "") || c.says != "" && !strings.Contains(f.Attack.Err.Error(), c.says) {
					t.Errorf("attack failed as %+v, want %q, %q", f.Attack, c.reason, c.says)
				}
				if observed != c.observed {
					t.Errorf("observed %q, want %q", observed, c.observed)
				}
			})
		})
	}
}

// A drain in the middle of an attack must not count the probe without it: the record is read again.
func TestDrainedAttackIsDoneAgain(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, observed := probeWith(t, ctx, 1, behaviour(func(ctx context.Context) ([]float64, error) {
		cancel()
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}))
	if f.Outcome != "" || !errors.Is(f.Err, context.Canceled) || f.Reading != nil || observed != "nothing" {
		t.Errorf("ended as %q (%v), observed %q: it would be counted without its attack", f.Outcome, f.Err, observed)
	}
}
