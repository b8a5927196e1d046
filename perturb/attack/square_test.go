package attack

import (
	"math"
	"slices"
	"testing"
)

// TestSides: the sides of the squares at 224 pixels and p .8, as AutoAttack's code draws them for 10 000 queries, and the
// same when the schedule is rescaled to fewer.
func TestSides(t *testing.T) {
	s := &search{trial: &trial{w: 224, h: 224}, spec: parse(t, "square")}
	for _, steps := range []int{10_000, 1000} {
		for at, want := range map[int]int{0: 200, 10: 200, 20: 142, 50: 142, 60: 100, 200: 100, 210: 71, 500: 71, 510: 50, 1000: 50, 1010: 35, 2000: 35,
			2010: 25, 4000: 25, 4010: 18, 6000: 18, 6010: 13, 8000: 13, 8010: 9, 9990: 9} {
			if got := s.side(at*steps/10_000, steps); got != want {
				t.Errorf("step %d of 10000, rescaled to %d: side %d, want %d", at, steps, got, want)
			}
		}
	}
	s.w, s.h = 30, 7
	if got := s.side(0, 10); got != 7 {
		t.Errorf("30 x 7 pixels: side %d", got)
	}
}

// TestSquareEdges: every candidate lies on the edge of the budget in every pixel, differs from the best so far by one
// square or not at all outside, and stripes come first.
func TestSquareEdges(t *testing.T) {
	m := newBrain(5, false)
	pic := picture(3)
	clean := planes(pic.Pix)
	b := box(clean, 8./255)
	var seen [][]float32
	m.look = func(x []float32) { seen = append(seen, slices.Clone(x)) }
	run(t, m, Setting{Threshold: .5}, pic, "square(eps=8/255, queries=60, forms=float)")
	if len(seen) != 60 {
		t.Fatalf("%d passes", len(seen))
	}
	for n, x := range seen[1:] {
		for i, v := range x {
			if v != b.lo[i] && v != b.hi[i] {
				t.Fatalf("pass %d: value %d is %v, not on the edge [%v,%v]", n+1, i, v, b.lo[i], b.hi[i])
			}
		}
	}
	for i, v := range seen[1] { // one sign per channel and column
		top := i/(brainW*brainH)*brainW*brainH + i%brainW
		if (v == b.hi[i]) != (seen[1][top] == b.hi[top]) && b.lo[i] != b.hi[i] {
			t.Fatalf("value %d breaks its stripe", i)
		}
	}
	best, margin := seen[1], math.Inf(1)
	sign := -1.
	if first, _ := m.one(clean); first < 0 {
		sign = 1
	}
	for n, x := range seen[1:] {
		top, left, bottom, right := brainH, brainW, -1, -1
		for i := range x {
			if x[i] != best[i] {
				row, col := i%(brainW*brainH)/brainW, i%brainW
				top, left, bottom, right = min(top, row), min(left, col), max(bottom, row), max(right, col)
			}
		}
		s := &search{trial: &trial{w: brainW, h: brainH}, spec: parse(t, "square")}
		if side := s.side(n-1, 58); n > 0 && (bottom-top+1 > side || right-left+1 > side || bottom < 0) {
			t.Fatalf("pass %d changed rows %d to %d and columns %d to %d, the side is %d", n, top, bottom, left, right, side)
		}
		if now, _ := m.one(x); n == 0 || sign*float64(float32(now)) > sign*margin {
			best, margin = x, float64(float32(now))
		}
	}
}

// TestEstimate: the gradient of a linear margin is found by NES up to the noise of its samples, whose relative size is
// sqrt((d+1)/pairs) in l2.
func TestEstimate(t *testing.T) {
	m := newBrain(1, true)
	pic := grey()
	tr, err := newTrial(t.Context(), m, Setting{Threshold: .5}, pic)
	if err != nil {
		t.Fatal(err)
	}
	const pairs = 1000
	s := parse(t, "nes(pairs=1000, sigma=.01)")
	run := &search{trial: tr, ctx: t.Context(), spec: s, sign: 1, random: stream(1, s, 1)}
	g := make([]float32, len(tr.clean.x))
	if _, err := run.estimate(tr.clean.x, g); err != nil {
		t.Fatal(err)
	}
	_, exact := m.one(tr.clean.x)
	var off, norm float64
	for i, v := range exact {
		off, norm = off+(float64(g[i])-v)*(float64(g[i])-v), norm+v*v
	}
	want := math.Sqrt(float64(len(g)+1) / pairs)
	if got := math.Sqrt(off / norm); math.Abs(got-want) > .15*want {
		t.Errorf("relative error %v, want about %v", got, want)
	}
}
