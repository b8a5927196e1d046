package attack

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
)

// everyAttack is one of each kind, target, norm, start and what is kept.
func everyAttack(eps, l2 string) (texts []string) {
	for _, target := range []string{"label", "self", "delta"} {
		head := "target=" + target + ", "
		texts = append(texts,
			"fgsm("+head+"eps="+eps+")", "fgsm("+head+"norm=l2, eps="+l2+")",
			"pgd("+head+"eps="+eps+")", "pgd("+head+"keep=last, start=random, eps="+eps+", step=.01)",
			"pgd("+head+"norm=l2, start=random, step=.2, eps="+l2+")",
			"cw("+head+"steps=20, searches=3, eps="+l2+")", "cw("+head+"variable=clip, steps=20, rate=.02, confidence=.1, eps="+l2+")",
			"square("+head+"queries=40, eps="+eps+")",
			"nes("+head+"pairs=4, steps=4, start=random, eps="+eps+")")
	}
	return texts
}

// TestBudget: whatever is scored lies in the budget and in [0,1], measured in float64 and in float32, and in grey levels.
func TestBudget(t *testing.T) {
	fake := true
	for _, eps := range []string{"1/255", "2/255", ".0078", "16/255", "1"} {
		for _, text := range everyAttack(eps, "1.5") {
			s := parse(t, text)
			for seed := range int64(3) {
				pic := picture(seed)
				pic.Fake = &fake
				m := newBrain(5, false)
				tr, err := newTrial(t.Context(), m, Setting{Threshold: .5}, pic)
				if err != nil {
					t.Fatal(err)
				}
				for d := range s.directions() {
					e, err := tr.search(t.Context(), s, d)
					if err != nil {
						t.Fatalf("%s: %v", s, err)
					}
					checkBudget(t, s, "float", e.x, tr.clean.x)
					at, _, err := tr.form(t.Context(), s, "uint8", e.point)
					if err != nil {
						t.Fatal(err)
					}
					checkBudget(t, s, "uint8", at.x, tr.clean.x)
					for i, v := range at.x {
						if k := math.Round(float64(v) * 255); float32(k)/255 != v {
							t.Fatalf("%s: uint8 value %d is %v, no k/255", s, i, v)
						}
					}
				}
			}
		}
	}
}

func checkBudget(t *testing.T, s Spec, form string, x, clean []float32) {
	t.Helper()
	sum := 0.
	for i, v := range x {
		if !(v >= 0 && v <= 1) {
			t.Fatalf("%s %s: value %d is %v", s, form, i, v)
		}
		d := v - clean[i]
		sum += float64(d) * float64(d)
		if s.Norm != "linf" {
			continue
		}
		if form == "uint8" {
			if levels := math.Round(math.Abs(float64(d)) * 255); levels > s.Eps*255+1e-9 {
				t.Fatalf("%s uint8: value %d moved by %v levels", s, i, levels)
			}
		} else if max(d, -d) > float32(s.Eps) || math.Abs(float64(v)-float64(clean[i])) > s.Eps {
			t.Fatalf("%s: value %d moved by %v, more than %v", s, i, d, s.Eps)
		}
	}
	if s.Norm == "l2" && math.Sqrt(sum) > s.Eps*(1+1e-7) {
		t.Fatalf("%s %s: L2 distance %v", s, form, math.Sqrt(sum))
	}
}

// TestNoBudget: with eps 0 nothing moves, not by a bit.
func TestNoBudget(t *testing.T) {
	fake := false
	pic := picture(4)
	pic.Fake = &fake
	r := run(t, newBrain(5, false), Setting{Threshold: .3, JPEG: invert}, pic, everyAttack("0", "0")...)
	for i, o := range r.Outcomes {
		if o.P != r.Clean || o.Linf != 0 || o.L2 != 0 || o.Queries != 0 {
			t.Errorf("row %d: p %v of clean %v, moved %v", i, o.P, r.Clean, o.Linf)
		}
	}
}

// TestLinear holds the attacks against what can be computed by hand on a linear margin: the L-infinity attacks change it by
// eps |w|_1, the L2 attacks by eps |w|_2, and CW stops where the threshold is, |margin - t| / |w|_2 away.
func TestLinear(t *testing.T) {
	m := newBrain(1, true)
	m.bias = .8
	l1, l2 := 0., 0.
	for _, w := range m.weights[0] {
		w *= m.v[0]
		l1, l2 = l1+math.Abs(w), l2+w*w
	}
	l2 = math.Sqrt(l2)
	pic := grey()
	margin, _ := m.one(planes(pic.Pix))
	logit := func(p float64) float64 { return math.Log(p / (1 - p)) }
	set := Setting{Threshold: .4}
	down := -1.
	if 1/(1+math.Exp(-margin)) < set.Threshold {
		down = 1
	}
	const eps, eps2 = 2. / 255, .05
	for text, want := range map[string]float64{
		"fgsm(eps=2/255, forms=float)":                               down * eps * l1,
		"pgd(eps=2/255, forms=float)":                                down * eps * l1,
		"pgd(eps=2/255, forms=float, keep=last)":                     down * eps * l1,
		"pgd(eps=2/255, start=random, step=2/255, forms=float)":      down * eps * l1,
		"fgsm(norm=l2, eps=.05, forms=float)":                        down * eps2 * l2,
		"pgd(norm=l2, eps=.05, forms=float)":                         down * eps2 * l2,
		"pgd(norm=l2, eps=.05, start=random, steps=40, forms=float)": down * eps2 * l2,
	} {
		o := run(t, m, set, pic, text).Outcomes[0]
		if got := logit(o.P) - margin; math.Abs(got-want) > 2e-3*math.Abs(want) {
			t.Errorf("%s: the margin moved by %v, want %v", text, got, want)
		}
	}
	away := math.Abs(margin-logit(set.Threshold)) / l2
	for _, text := range []string{"cw(eps=9, c=10, steps=1500, rate=.0002, forms=float)", "cw(eps=9, c=.1, searches=6, steps=400, rate=.0002, variable=clip, forms=float)"} {
		o := run(t, m, set, pic, text).Outcomes[0]
		if (o.P >= set.Threshold) == (down < 0) || o.L2 < .999*away || o.L2 > 1.08*away {
			t.Errorf("%s: p %v at a distance of %v, want the threshold at %v", text, o.P, o.L2, away)
		}
	}
	short := run(t, m, set, pic, fmt.Sprintf("cw(eps=%v, c=10, steps=1500, rate=.0002, forms=float)", away/2)).Outcomes[0]
	if math.Abs(short.L2-away/2) > 1e-6 || math.Abs(logit(short.P)-margin-down*away/2*l2) > .05*away*l2 {
		t.Errorf("cw inside half the way: %+v", short)
	}
}

// TestQueries: passes are what the model counts, within what a spec promises, and for square exactly that.
func TestQueries(t *testing.T) {
	fake := true
	for _, text := range everyAttack("4/255", "1") {
		for _, forms := range []string{"float", "uint8", "float+uint8+jpeg90"} {
			s := parse(t, strings.TrimSuffix(text, ")")+", forms="+forms+")")
			m := newBrain(5, false)
			pic := picture(2)
			pic.Fake = &fake
			r, err := Run(t.Context(), m, Setting{Threshold: .5, JPEG: invert}, []Spec{s}, pic)
			if err != nil {
				t.Fatal(err)
			}
			if r.Queries != m.scores+m.slopes || r.Queries > s.Queries() {
				t.Errorf("%s: %d passes, the model counted %d, promised are %d", s, r.Queries, m.scores+m.slopes, s.Queries())
			}
			if s.Method == "square" && (m.scores != s.Passes || m.slopes != 0) {
				t.Errorf("%s: %d passes, %d with gradient", s, m.scores, m.slopes)
			}
		}
	}
	m := newBrain(5, false)
	pic := picture(2)
	pic.Fake = &fake
	specs, err := List("acceptance")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), m, Setting{Threshold: .5}, specs, pic); err != nil {
		t.Fatal(err)
	}
	if m.scores != 1+10+2 || m.slopes != 1+2*9 { // one clean slope for all twelve
		t.Errorf("acceptance took %d passes and %d with gradient", m.scores, m.slopes)
	}
}

// TestReplay: figures depend on the media's seed and the attack, not on how many searches run at once, the other attacks, or
// the run.
func TestReplay(t *testing.T) {
	fake := true
	texts := everyAttack("4/255", "1")
	pic := picture(5)
	pic.Fake = &fake
	m := newBrain(5, false)
	set := Setting{Threshold: .5, JPEG: invert}
	want := run(t, m, set, pic, texts...)
	set.Concurrency = 16
	if got := run(t, m, set, pic, texts...); !reflect.DeepEqual(got, want) {
		t.Errorf("sixteen at once: got %+v\nwant %+v", got, want)
	}
	for i, text := range texts {
		alone := run(t, m, set, pic, text)
		for j := range alone.Outcomes { // shared clean passes may be counted here and not there
			if alone.Outcomes[j].P != want.Outcomes[2*i+j].P || alone.Outcomes[j].L2 != want.Outcomes[2*i+j].L2 {
				t.Errorf("%s alone: got %+v, want %+v", text, alone.Outcomes[j], want.Outcomes[2*i+j])
			}
		}
	}
	other := pic
	other.Seed++
	for i, text := range texts {
		same := run(t, m, set, other, text).Outcomes[0].P == want.Outcomes[2*i].P
		drawn := strings.HasPrefix(text, "square") || strings.HasPrefix(text, "nes") || strings.Contains(text, "norm=l2, start=random")
		if fixed := !strings.Contains(text, "start=random") && !drawn; same && drawn || !same && fixed {
			t.Errorf("%s with another seed: the same %v", text, same)
		}
	}
}

// TestOrder: more budget and more steps get farther, both directions at least as far as one, the best at least as far as the last.
func TestOrder(t *testing.T) {
	m := newBrain(5, false)
	m.gain = 3
	moved := func(text string) (sum float64) {
		for seed := range int64(12) {
			r := run(t, m, Setting{Threshold: .5}, picture(seed), text)
			sum += math.Abs(r.Outcomes[0].P - r.Clean)
		}
		return sum / 12
	}
	for _, c := range []struct{ less, more string }{
		{"fgsm(eps=4/255)", "pgd(eps=4/255)"},
		{"square(eps=4/255)", "pgd(eps=4/255)"},
		{"pgd(eps=4/255)", "pgd(target=delta, eps=4/255)"},
		{"square(eps=4/255)", "square(target=delta, eps=4/255, queries=400)"},
		{"square(eps=4/255, queries=20)", "square(eps=4/255, queries=400)"},
		{"pgd(eps=4/255, keep=last)", "pgd(eps=4/255, keep=best)"},
		{"nes(eps=4/255, pairs=10)", "pgd(eps=4/255)"},
		{"pgd(norm=l2, eps=.1)", "pgd(norm=l2, eps=.2)"},
		{"cw(target=delta, eps=.2)", "cw(target=delta, eps=.2, searches=5)"},
	} {
		if less, more := moved(c.less), moved(c.more); less > more+1e-6 {
			t.Errorf("%s moved p by %v, %s by %v", c.less, less, c.more, more)
		}
	}
	before := 0.
	for _, eps := range []string{"0", "1/255", "2/255", "4/255", "8/255", "16/255"} {
		far := moved("pgd(target=delta, eps=" + eps + ")")
		if far < before || (far == 0) != (eps == "0") {
			t.Errorf("pgd(eps=%s) moved p by %v, with less %v", eps, far, before)
		}
		before = far
	}
}

// TestNoLabel: what aims at the true label is not run without one.
func TestNoLabel(t *testing.T) {
	m := newBrain(5, false)
	r := run(t, m, Setting{Threshold: .5}, picture(1), "pgd(target=label)", "square(target=label)")
	for _, o := range r.Outcomes {
		if !math.IsNaN(o.P) || o.Queries != 0 {
			t.Errorf("got %+v", o)
		}
	}
	if m.scores+m.slopes != 1 {
		t.Errorf("%d passes", m.scores+m.slopes)
	}
}

// TestDirection: label and self go where they should, whichever side the picture is on.
func TestDirection(t *testing.T) {
	m := newBrain(5, false)
	clean := run(t, m, Setting{}, picture(1), "fgsm").Clean
	yes, no := true, false
	for _, c := range []struct {
		text      string
		threshold float64
		fake      *bool
		up        bool
	}{
		{"pgd(target=self)", clean - .01, nil, false}, {"pgd(target=self)", clean + .01, nil, true},
		{"pgd(target=self)", clean - .01, &no, false}, {"pgd(target=self)", clean, nil, false}, // p >= threshold is fake
		{"pgd(target=label)", clean - .01, &no, true}, {"pgd(target=label)", clean + .01, &yes, false},
		{"square(target=label)", clean, &no, true}, {"square(target=self)", clean + .01, &yes, true},
		{"cw(target=label)", clean + .01, &no, true}, {"cw(target=self)", clean, nil, false},
	} {
		pic := picture(1)
		pic.Fake = c.fake
		o := run(t, m, Setting{Threshold: c.threshold}, pic, c.text).Outcomes[0]
		if o.P == clean || (o.P > clean) != c.up {
			t.Errorf("%s at threshold %v: p went from %v to %v", c.text, c.threshold, clean, o.P)
		}
	}
}

// TestForms: the JPEG is that of the 8-bit picture, at quality 90.
func TestForms(t *testing.T) {
	m := newBrain(5, false)
	r := run(t, m, Setting{Threshold: .5, JPEG: func(pix []byte, w, h, quality int) ([]byte, error) {
		if w != brainW || h != brainH || quality != 90 {
			t.Errorf("JPEG of %d x %d at quality %d", w, h, quality)
		}
		return make([]byte, len(pix)), nil
	}}, picture(1), "fgsm(eps=3.7/255, forms=float+uint8+jpeg90)")
	black, _ := m.one(make([]float32, 3*brainW*brainH))
	if got := r.Outcomes[2].P; math.Abs(got-1/(1+math.Exp(-black))) > 1e-6 {
		t.Errorf("the black JPEG scored %v", got)
	}
	if a, b := r.Outcomes[0].Linf*255, r.Outcomes[1].Linf*255; math.Abs(a-3.7) > 1e-4 || math.Abs(b-3) > 1e-4 {
		t.Errorf("moved by %v and %v levels", a, b)
	}
}

// TestRefuses: a model without finite figures, a wrong picture, no codec and a done context are errors that say so.
func TestRefuses(t *testing.T) {
	good := picture(1)
	for want, c := range map[string]struct {
		change func(*brain)
		pic    Picture
		text   string
	}{
		"gradient of the model is not finite: NaN at value 7 of 462":  {func(b *brain) { b.spoil = func(g []float32) { g[7] = float32(math.NaN()) } }, good, "pgd"},
		"gradient of the model is not finite: -Inf at value 0 of 462": {func(b *brain) { b.spoil = func(g []float32) { g[0] = float32(math.Inf(-1)) } }, good, "cw"},
		"an attack needs finite ones":                                 {func(b *brain) { b.bias = math.Inf(1) }, good, "square"},
		"returned p = NaN":                                            {func(b *brain) { b.bias = math.NaN() }, good, "nes"},
		"the picture has 3 bytes: the model takes 14 x 11":            {func(*brain) {}, Picture{Pix: make([]byte, 3)}, "fgsm"},
		"form jpeg90: no JPEG codec was given":                        {func(*brain) {}, good, "fgsm(forms=jpeg90)"},
	} {
		m := newBrain(5, false)
		c.change(m)
		_, err := Run(t.Context(), m, Setting{Threshold: .5}, []Spec{parse(t, c.text)}, c.pic)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := newBrain(5, false)
	left := 20
	m.look = func([]float32) {
		if left--; left == 0 {
			cancel()
		}
	}
	if _, err := Run(ctx, m, Setting{Threshold: .5}, []Spec{parse(t, "square")}, good); !errors.Is(err, context.Canceled) || m.scores > 21 {
		t.Errorf("cancelled: %v after %d passes", err, m.scores)
	}
}
