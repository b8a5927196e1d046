package pipeline_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// assault is an attacker without a network, on a sample of the media; it fails on every eleventh kind of picture.
type assault struct {
	rate  float64
	model int // variants of the suite, behind which the attacks are
	n     int
	calls atomic.Int64
}

func (a *assault) Attack(_ context.Context, img pipeline.Image, _ int64, fake *bool) ([]float64, error) {
	a.calls.Add(1)
	if fake != nil {
		return nil, errors.New("labels come after the probe: nobody can know this one")
	}
	if img.Pix[0]%11 == 0 {
		return nil, errors.New("not finite")
	}
	probs := make([]float64, a.n)
	for i := range probs {
		probs[i] = arithmeticP(img.Pix[0], a.model+1+i)
	}
	return probs, nil
}

// chosen is the sample of attacks, worked out apart: the top 53 bits of an HMAC against the rate.
func (a *assault) chosen(id string) bool {
	h := hmac.New(sha256.New, []byte("0123456789abcdef"))
	h.Write([]byte("attack\x00" + id))
	return a != nil && float64(binary.BigEndian.Uint64(h.Sum(nil))>>11)/(1<<53) < a.rate
}

func (a *assault) breaks(id string, first byte) bool { return a.chosen(id) && first%11 == 0 }

// third picks the second variant always, and one in three of the others.
func third(seed int64, variant int) bool { return variant == 2 || (seed+int64(variant))%3 == 0 }

// ran says whether a variant must have run in the probe of a media.
func (r *rig) ran(id string, first byte, variant int) bool {
	switch {
	case variant == 0 || variant <= r.model.variants && r.model.picks == nil:
		return true
	case variant <= r.model.variants:
		return third(perturb.Seed(id, r.suite), variant)
	}
	return r.attacks.chosen(id) && !r.attacks.breaks(id, first)
}

// attacked turns a rig into one whose probes leave most variants out and of which some are attacked.
func attacked(t *testing.T, rate float64) *rig {
	t.Helper()
	r := newRig(t)
	r.attacks = &assault{rate: rate, model: r.model.variants, n: 2}
	r.model.picks = third
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	d := pipeline.Detector{Name: "probe-me", Version: "1", Threshold: .5}
	attacks := []perturb.Variant{{Family: "pgd10_delta_uint8", Severity: 1, Parameter: "2/255"}, {Family: "square_self_uint8", Severity: 1, Parameter: "2/255"}}
	g := pipeline.NewGeneration(d, "digest", suite, attacks, r.line.Window.Edges(), "chunk=1")
	rates := make([]float64, len(g.Variants))
	for i := range rates {
		rates[i] = 1. / 3
	}
	rates[1], rates[len(rates)-2], rates[len(rates)-1] = 1, rate, rate
	if g, err = g.Sampled(rates); err != nil {
		t.Fatal(err)
	}
	meter, err := pipeline.NewMeter(g)
	if err != nil {
		t.Fatal(err)
	}
	r.line.Roster = pipeline.NewRoster([]*pipeline.Subject{{Detector: d, Generation: g, Suite: suite, Model: r.model, Attacker: r.attacks, Meter: meter}})
	r.line.Prober.Attacks = &pipeline.AttackLane{Sampler: r.line.Sampler, Rate: rate, Timeout: time.Minute}
	r.variants = len(g.Variants)
	return r
}

func TestSubsetsAndAttacksAreCountedExactly(t *testing.T) {
	for _, rate := range []float64{.4, 1} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			r := attacked(t, rate)
			tr := newTraffic(r)
			mix(tr, 300, 11)
			r.run(r.applied)
			tr.check()
			probed := tr.truth[string(pipeline.Probed)]
			if n := float64(r.attacks.calls.Load()); math.Abs(n/float64(probed)-rate) > .15 {
				t.Errorf("%v of %d probed media attacked, rate %v", n, probed, rate)
			}
		})
	}
}

// Replaying twice is once, with attacks and subsets as without: after a rollback, after workers that were stopped in the
// middle, and after replies that were lost.
func TestSubsetsAndAttacksAreReplayedExactly(t *testing.T) {
	for name, misfortune := range map[string]func(r *rig){
		"rollback": func(r *rig) { r.tape.midway(60, func() { r.tape.rollback(20) }) },
		"stops": func(r *rig) {
			for stop := int64(40); stop <= 160; stop += 40 {
				r.line.Flow.Drain = time.Duration(stop%80) * time.Millisecond
				r.run(func() bool { return r.tape.outcomes()[pipeline.Read] >= stop })
			}
		},
		"lost replies": func(r *rig) {
			r.tape.after = func(n int, _ *pipeline.Batch) error {
				if n%3 == 0 {
					return errInjected
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := attacked(t, .5)
			tr := newTraffic(r)
			mix(tr, 200, 12)
			misfortune(r)
			r.run(func() bool { return r.tape.finished() && r.applied() })
			tr.check()
		})
	}
}

// Three workers with a partition each count what one worker counts of the same media: which are attacked, and which
// variants run, is the media's and not the worker's.
func TestThreeWorkersAttackLikeOne(t *testing.T) {
	kinds := []pipeline.Outcome{pipeline.Probed, pipeline.Inconclusive, pipeline.Probed, pipeline.Probed}
	one := attacked(t, .5)
	tr := newTraffic(one)
	for i := range 240 {
		tr.send(kinds[i%len(kinds)])
	}
	one.run(one.applied)
	tr.check()
	want := one.totals()

	many := attacked(t, .5)
	tr = newTraffic(many)
	brokers := [3]*broker{newBroker(), newBroker(), newBroker()}
	for i := range 240 {
		many.broker = brokers[i%3]
		tr.send(kinds[i%len(kinds)])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error)
	for p, b := range brokers {
		w := pipeline.NewWorker(many.line, part{b, p})
		go func() { done <- w.Run(ctx) }()
	}
	for ctx.Err() == nil && !maps.Equal(many.totals(), want) {
		time.Sleep(time.Millisecond) // polls real goroutines; nothing is decided by how long it takes
	}
	cancel()
	for range brokers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := many.totals(); !maps.Equal(got, want) {
		t.Errorf("three workers: %v\none worker: %v", got, want)
	}
}

// totals are the running totals of the generation, labels included.
func (r *rig) totals() pipeline.Counts {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	sums, err := r.tape.memory.Sum(context.Background(), []pipeline.Cell{{Generation: r.line.Roster.Find("probe-me", "1").Generation.ID, Kind: pipeline.Total}})
	if err != nil {
		r.t.Fatal(err)
	}
	return sums[0]
}

// part is a broker that hands out one partition of a given number.
type part struct {
	*broker
	number int
}

func (p part) Run(ctx context.Context, serve func(context.Context, pipeline.Assignment)) error {
	serve(ctx, numbered{assignment{p.broker}, p.number})
	return nil
}

type numbered struct {
	assignment
	number int
}

func (n numbered) Partition() int { return n.number }
