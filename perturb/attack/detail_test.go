package attack

import (
	"context"
	"fmt"
	"math"
	"testing"
)

// summit is a detector whose margin is largest on one picture: -|x - top|^2.
type summit struct {
	top []float32
	w   int
}

func (m summit) Size() (int, int) { return m.w, len(m.top) / 3 / m.w }

func (m summit) Score(ctx context.Context, x []float32, n int) (p, margin []float32, err error) {
	return m.Gradient(ctx, x, n, make([]float32, len(x)))
}

func (m summit) Gradient(_ context.Context, x []float32, n int, gradient []float32) (p, margin []float32, err error) {
	size := len(x) / n
	for i := range n {
		sum := 0.
		for k, v := range x[i*size : (i+1)*size] {
			d := float64(v - m.top[k])
			sum, gradient[i*size+k] = sum-d*d, float32(-2*d)
		}
		p, margin = append(p, float32(1/(1+math.Exp(-sum)))), append(margin, float32(sum))
	}
	return p, margin, nil
}

// TestSummit: a picture that cannot be made worse is left alone, by whatever keeps the best.
func TestSummit(t *testing.T) {
	pic := picture(3)
	m := summit{planes(pic.Pix), brainW}
	for _, text := range []string{"fgsm", "pgd", "pgd(start=random)", "pgd(norm=l2, start=random)", "cw", "square", "nes"} {
		for i, o := range run(t, m, Setting{Threshold: .6}, pic, text).Outcomes {
			if o.P != .5 || o.L2 != 0 {
				t.Errorf("%s, form %d: p %v at a distance of %v", text, i, o.P, o.L2)
			}
		}
	}
}

// TestKeep: of steps that overshoot, the best iterate is never behind the last and often ahead of it.
func TestKeep(t *testing.T) {
	ahead := 0
	for seed := range int64(12) {
		m := summit{planes(picture(100 + seed).Pix), brainW}
		for _, shape := range []string{"norm=linf, eps=1, step=.3, steps=%d, keep=%s", "norm=l2, eps=20, step=4, steps=%d, keep=%s"} {
			for steps := 1; steps < 8; steps++ {
				var p [2]float64
				for i, keep := range []string{"best", "last"} {
					text := fmt.Sprintf("pgd(forms=float, "+shape+")", steps, keep)
					p[i] = run(t, m, Setting{Threshold: .6}, picture(seed), text).Outcomes[0].P
				}
				if p[0] < p[1] {
					t.Errorf("seed %d, "+shape+": p %v behind p %v of the last", seed, steps, "best", p[0], p[1])
				}
				if p[0] > 1.01*p[1] {
					ahead++
				}
			}
		}
	}
	if ahead < 12 {
		t.Errorf("the best was ahead of the last %d times: the test says little", ahead)
	}
}

// TestScatter: a random start is uniform in each pixel, or in the L2 ball, whose mass lies at its surface.
func TestScatter(t *testing.T) {
	tr, err := newTrial(t.Context(), newBrain(1, true), Setting{Threshold: .5}, grey())
	if err != nil {
		t.Fatal(err)
	}
	at := func(text string, seed int64) (mean, below, norm float64) {
		s := parse(t, text)
		run := &search{trial: tr, spec: s, sign: 1, random: stream(seed, s, 1)}
		x := append([]float32(nil), tr.clean.x...)
		run.scatter(x)
		for i, v := range x {
			d := float64(v-tr.clean.x[i]) / s.Eps
			mean += d / float64(len(x))
			if d < -.5 {
				below += 1 / float64(len(x))
			}
		}
		_, norm = distance(x, tr.clean.x)
		return mean, below, norm / s.Eps
	}
	var mean, below, norm float64
	const draws, n = 40, 3 * brainW * brainH
	for seed := range int64(draws) {
		a, b, _ := at("pgd(start=random, eps=.1)", seed)
		_, _, c := at("pgd(norm=l2, start=random, eps=.1)", seed)
		mean, below, norm = mean+a/draws, below+b/draws, norm+c/draws
	}
	if math.Abs(mean) > .02 || math.Abs(below-.25) > .02 { // standard errors .0042 and .0032
		t.Errorf("linf: mean %v, share in the lowest quarter %v", mean, below)
	}
	if want := float64(n) / (n + 1); math.Abs(norm-want) > .002 { // standard error .0004
		t.Errorf("l2: mean radius %v, want %v", norm, want)
	}
}

// TestFormsShareTheSearch: what is scored beside it does not change what a search draws.
func TestFormsShareTheSearch(t *testing.T) {
	m := newBrain(5, false)
	for _, shape := range []string{"pgd(start=random, keep=last, steps=1, step=.0001, %s)", "nes(pairs=3, %s)"} {
		alone := run(t, m, Setting{Threshold: .5}, picture(6), fmt.Sprintf(shape, "forms=float")).Outcomes[0].P
		beside := run(t, m, Setting{Threshold: .5, JPEG: invert}, picture(6), fmt.Sprintf(shape, "forms=jpeg90+float")).Outcomes[1].P
		if alone != beside {
			t.Errorf("%s: p %v alone, %v beside a JPEG", shape, alone, beside)
		}
	}
}

// TestRoundingKeepsL2: rounding to grey levels alone would leave the L2 ball; what is scored stays inside, and near.
func TestRoundingKeepsL2(t *testing.T) {
	m := newBrain(1, true)
	left := 0
	for seed := range int64(20) {
		pic := picture(seed)
		for i := range pic.Pix {
			pic.Pix[i] = 100 + pic.Pix[i]/8 // nothing is clipped
		}
		const eps = .3
		tr, err := newTrial(t.Context(), m, Setting{Threshold: .5}, pic)
		if err != nil {
			t.Fatal(err)
		}
		s := parse(t, "fgsm(norm=l2, eps=.3)")
		e, err := tr.search(t.Context(), s, 0)
		if err != nil {
			t.Fatal(err)
		}
		free := append([]float32(nil), e.x...)
		for i, v := range free {
			free[i] = float32(math.Round(float64(v)*255) / 255)
		}
		if _, l2 := distance(free, tr.clean.x); l2 > eps {
			left++
		}
		if _, l2 := distance(planes(tr.quantise(s, e.x)), tr.clean.x); l2 > eps*(1+1e-7) || l2 < .99*eps {
			t.Errorf("seed %d: rounded to an L2 distance of %v", seed, l2)
		}
	}
	if left == 0 {
		t.Error("no rounding left the ball: the test says nothing")
	}
}

// TestFlatIsAlways: one gradient that is not 0 is enough.
func TestFlatIsAlways(t *testing.T) {
	for open, want := range map[int]bool{0: true, 1: false, 5: false} { // which gradient is left as it is
		m := newBrain(5, false)
		seen := 0
		m.spoil = func(g []float32) {
			if seen++; seen != open {
				clear(g)
			}
		}
		if got := run(t, m, Setting{Threshold: .5}, picture(1), "pgd(start=random)").Outcomes[0].Flat; got != want {
			t.Errorf("gradient %d of 10 is open: flat %v", open, got)
		}
	}
}

// TestMeasure: what Square and PGD are compared by, for each target.
func TestMeasure(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		target       string
		clean, after float64
		fake         *bool
		want         float64
	}{
		{"self", .9, .8, &no, 1}, {"self", .9, .2, &no, 0}, {"self", .2, .3, nil, 0}, {"self", .2, .2999, nil, 1},
		{"label", .9, .8, &no, 0}, {"label", .9, .2, &no, 1}, {"label", .2, .3, &yes, 1}, {"label", .2, .1, &yes, 0},
		{"delta", .9, .25, nil, .65},
	} {
		p := Judged{Result: Result{Clean: c.clean}, Fake: c.fake}
		if got := p.measure(c.target, c.after, .3); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s from %v to %v: %v, want %v", c.target, c.clean, c.after, got, c.want)
		}
	}
}

// TestCarliniWagnerSearch: the weight grows while nothing turns, and falls towards the nearest turned picture once something
// has.
func TestCarliniWagnerSearch(t *testing.T) {
	m := newBrain(1, true)
	m.bias = .8
	pic := grey()
	margin, gradient := m.one(planes(pic.Pix))
	sum := 0.
	for _, g := range gradient {
		sum += g * g
	}
	away := math.Abs(margin) / math.Sqrt(sum)
	turned := func(text string) (bool, float64) {
		r := run(t, m, Setting{Threshold: .5}, pic, text)
		return (r.Outcomes[0].P >= .5) != (r.Clean >= .5), r.Outcomes[0].L2 / away
	}
	const shape = "cw(eps=9, c=%s, searches=%d, steps=300, rate=.0005, forms=float)"
	if ok, _ := turned(fmt.Sprintf(shape, ".00001", 1)); ok {
		t.Error("a weight of .00001 turns the decision: the test says nothing")
	}
	if ok, l2 := turned(fmt.Sprintf(shape, ".00001", 10)); !ok || l2 > 1.1 {
		t.Errorf("from .00001 upwards: turned %v at %v of the way", ok, l2)
	}
	_, first := turned("cw(eps=9, c=1000, searches=1, steps=60, rate=.01, forms=float)")
	_, later := turned("cw(eps=9, c=1000, searches=14, steps=60, rate=.01, forms=float)")
	if !(later < .9*first) {
		t.Errorf("from 1000 downwards: %v of the way with one weight, %v with fourteen", first, later)
	}
}

// TestRoundingDoesNotSave: a decision that a change below half a grey level turns is turned in 8 bits too, by the same change
// made longer, inside the budget and within the announced passes; without room in the budget it is not.
func TestRoundingDoesNotSave(t *testing.T) {
	m := newBrain(1, true)
	pic := grey()
	margin, gradient := m.one(planes(pic.Pix))
	sum := 0.
	for _, g := range gradient {
		sum += g * g
	}
	m.bias = -margin + .05*math.Sqrt(sum) // a step of .05 in L2 turns it: in 14 x 11 pixels less than half a grey level each
	for text, want := range map[string]bool{
		"cw(eps=.5, steps=200, forms=float)":          true,
		"cw(eps=.5, steps=200, forms=uint8)":          true,
		"cw(eps=.5, steps=200, forms=float+uint8)":    true,
		"cw(eps=.04, steps=200, forms=uint8)":         false,
		"pgd(norm=l2, eps=.5, steps=20, forms=uint8)": true,
	} {
		r := run(t, m, Setting{Threshold: .5}, pic, text)
		for i, o := range r.Outcomes {
			if turned := (o.P >= .5) != (r.Clean >= .5); turned != want {
				t.Errorf("%s, form %d: turned %v, want %v (L2 %.3f)", text, i, turned, want, o.L2)
			}
			if spec := parse(t, text); o.L2 > spec.Eps*(1+1e-6) || r.Queries > spec.Queries() {
				t.Errorf("%s: L2 %v, %d passes of at most %d", text, o.L2, r.Queries, spec.Queries())
			}
		}
	}
}

// TestEstimateLeadsThere: NES moves a linear margin by most of what is possible.
func TestEstimateLeadsThere(t *testing.T) {
	m := newBrain(1, true)
	l1 := 0.
	for _, w := range m.weights[0] {
		l1 += math.Abs(w * m.v[0])
	}
	for target, sign := range map[float64]float64{.01: -1, .99: 1} { // thresholds
		r := run(t, m, Setting{Threshold: target}, grey(), "nes(pairs=300, sigma=.01, eps=2/255, step=1/255, steps=4, forms=float)")
		logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
		if got := sign * (logit(r.Outcomes[0].P) - logit(r.Clean)) / (2. / 255 * l1); got < .6 || got > 1.01 {
			t.Errorf("threshold %v: %v of what is possible", target, got)
		}
	}
}

// TestAdam holds steps against Adam as Kingma and Ba write it, in float64, with the derivative of tanh taken by differences.
func TestAdam(t *testing.T) {
	clean := []float64{.02, .3, .5, .9, .98}
	const c, rate = 3., .05
	for _, kind := range []string{"tanh", "clip"} {
		pixel := func(w float64) float64 { return w }
		w := append([]float64(nil), clean...)
		if kind == "tanh" {
			pixel = func(w float64) float64 { return (math.Tanh(w) + 1) / 2 }
			for i, v := range clean {
				w[i] = math.Atanh(2*v - 1)
			}
		}
		tr := &trial{clean: point{x: make([]float32, len(clean))}}
		for i, v := range clean {
			tr.clean.x[i] = float32(v)
		}
		v := (&search{trial: tr, spec: Spec{Variable: kind}}).variable()
		x := append([]float32(nil), tr.clean.x...)
		first, second := make([]float64, len(w)), make([]float64, len(w))
		for step := 1; step <= 6; step++ {
			g := make([]float32, len(w))
			for i := range w {
				slope := math.Sin(float64(3*step + i))
				g[i] = float32(slope)
				loss := func(w float64) float64 {
					d := pixel(w) - clean[i]
					return d*d - c*slope*pixel(w)
				}
				d := (loss(w[i]+1e-5) - loss(w[i]-1e-5)) / 2e-5
				first[i], second[i] = .9*first[i]+.1*d, .999*second[i]+.001*d*d
				w[i] -= rate * (first[i] / (1 - math.Pow(.9, float64(step)))) / (math.Sqrt(second[i]/(1-math.Pow(.999, float64(step)))) + 1e-8)
				if kind == "clip" {
					w[i] = max(0, min(1, w[i]))
				}
			}
			v.step(x, g, tr.clean.x, c, rate, step)
			for i := range w {
				if math.Abs(float64(x[i])-pixel(w[i])) > 2e-5 {
					t.Errorf("%s, step %d, pixel %d: %v, want %v", kind, step, i, x[i], pixel(w[i]))
				}
			}
		}
	}
}
