package pipeline

import (
	"math"
	"math/rand/v2"
	"testing"

	"shaketable/metrics"
)

func portion(name string, wasN, wasK, nowN, nowK float64) slicePart {
	return slicePart{name, metrics.Trials{N: wasN, K: wasK}, metrics.Trials{N: nowN, K: nowK}}
}

// The figures were worked out by hand: the rate of all before is .1 unless a case says otherwise.
func TestAccountableSlice(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []slicePart
		want  string
		kind  string
		held  float64 // of the excess
	}{
		{"one is worse", []slicePart{portion("a", 1000, 100, 100, 50), portion("b", 1000, 100, 100, 10)}, "a", "worse", 1},
		// excess 50 + 40 - 20 = 70, of which a holds 40 and b 30
		{"both are worse", []slicePart{portion("a", 1000, 100, 100, 50), portion("b", 1000, 100, 100, 40)}, "", "", 0},
		// 4/5 of the excess is a's, but b's own rate doubled
		{"the other is worse as well", []slicePart{portion("a", 1000, 100, 200, 100), portion("b", 1000, 100, 200, 40)}, "", "", 0},
		// nothing failed more than it did: before .05 and .55, all (950*.05+50*.55)/1000 = .075; since, a has one half
		{"one grew", []slicePart{portion("a", 50, 27.5, 100, 55), portion("b", 950, 47.5, 100, 5)}, "a", "more", (100 - 10) * (.55 - .075) / (60 - 200*.075)},
		{"one is new", []slicePart{portion("a", 0, 0, 50, 30), portion("b", 1000, 100, 150, 15)}, "a", "new", 25. / 25},
		{"one is new and nothing is wrong with it", []slicePart{portion("a", 0, 0, 100, 10), portion("b", 1000, 100, 100, 11)}, "", "", 0},
		{"everything was already of it", []slicePart{portion("a", 990, 99, 195, 90), portion("b", 10, 1, 5, 0)}, "", "", 0},
		{"nearly all is of one that was small", []slicePart{portion("a", 100, 10, 195, 90), portion("b", 900, 90, 5, 0)}, "a", "worse", 70.5 / 70},
		{"too few to say", []slicePart{portion("a", 1000, 100, 10, 8), portion("b", 1000, 100, 10, 1)}, "", "", 0},
		{"nothing was before", []slicePart{portion("a", 10, 1, 100, 50), portion("b", 10, 1, 100, 10)}, "", "", 0},
		{"one slice alone", []slicePart{portion("a", 1000, 100, 200, 100)}, "", "", 0},
		{"it got better", []slicePart{portion("a", 1000, 100, 100, 2), portion("b", 1000, 100, 100, 10)}, "", "", 0},
	} {
		got := accountable(c.parts)
		switch {
		case got == nil && c.want != "":
			t.Errorf("%s: nobody, want %s", c.name, c.want)
		case got != nil && (got.slice != c.want || got.kind != c.kind || math.Abs(got.portion-c.held) > .02):
			t.Errorf("%s: %+v, want %s %s with %.3f", c.name, *got, c.want, c.kind, c.held)
		}
	}
}

// The contributions add up to the excess, whatever the slices counted.
func TestContributionsAddUpToTheExcess(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 2))
	for range 500 {
		var was, now metrics.Trials
		var parts []slicePart
		for i := range 1 + rng.IntN(6) {
			a, b := float64(minShare+rng.IntN(5000)), float64(rng.IntN(800))
			p := portion(string(rune('a'+i)), a, math.Floor(a*rng.Float64()), b, math.Floor(b*rng.Float64()))
			parts, was, now = append(parts, p), was.Plus(p.was), now.Plus(p.now)
		}
		var sum float64
		for _, p := range parts {
			held, _ := p.contribution(now.N, was.N, was.K/was.N)
			sum += held
		}
		if excess := now.K - now.N*was.K/was.N; math.Abs(sum-excess) > 1e-6 {
			t.Fatalf("%+v: contributions %v, excess %v", parts, sum, excess)
		}
	}
}

// On traffic that only gets worse everywhere by the same, hardly ever is one slice named.
func TestNoSliceIsNamedForWhatAllShare(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	named := 0
	const rounds = 2000
	for range rounds {
		var parts []slicePart
		for i := range 4 {
			p := portion(string(rune('a'+i)), 3000, 0, float64(60+20*i), 0)
			for range 3000 {
				p.was.K += float64(bit(rng, .10))
			}
			for range int(p.now.N) {
				p.now.K += float64(bit(rng, .30))
			}
			parts = append(parts, p)
		}
		if accountable(parts) != nil {
			named++
		}
	}
	if named > rounds/200 {
		t.Errorf("a slice was named in %d of %d rounds", named, rounds)
	}
}

func bit(rng *rand.Rand, p float64) int {
	if rng.Float64() < p {
		return 1
	}
	return 0
}
