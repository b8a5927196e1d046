//go:build cgo

package onnx

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/perturb/graph"
	"shaketable/pipeline"
)

func attacksOf(t testing.TB, names string) []attack.Spec {
	t.Helper()
	specs, err := attack.List(names)
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func openAttacks(t testing.TB, r *Runtime, d pipeline.Detector, names string) *Attacker {
	t.Helper()
	a, err := r.OpenAttacker(t.Context(), d, attacksOf(t, names))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// middling is a picture far from black and white, with a mean away from the toy's threshold.
func middling() picture {
	p := randomPictures(1, toySide, toySide)[0]
	for i, v := range p.pix {
		p.pix[i] = 90 + v/4
	}
	return p
}

func sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// TestAttack holds the attacks against arithmetic: the toy's margin is 4 (mean - .5), so a step of eps in every pixel moves
// it by 4 eps, and a step of length eps by 4 eps/sqrt(3 w h).
func TestAttack(t *testing.T) {
	d := toy(t, identity)
	r := runtimeFor(t, Config{})
	a := openAttacks(t, r, d, "fgsm(eps=8/255), pgd(target=delta, eps=4/255), pgd(norm=l2, eps=2, forms=float), square(target=delta, eps=4/255), "+
		"fgsm(eps=0, forms=float+uint8), pgd(target=label), cw(eps=9, c=1000, forms=float)")
	p := middling()
	clean := expectation(p.pix)
	z := math.Log(clean / (1 - clean))
	up := -1. // away from the decision, and where p moves more: the sigmoid is steeper towards its middle
	if clean < .5 {
		up = 1
	}
	result, err := a.Run(t.Context(), p.image(toySide), p.seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]attack.Outcome{}
	for i, v := range a.Variants() {
		row[v.Family+" "+v.Parameter] = result.Outcomes[i]
	}
	for name, want := range map[string]float64{
		"fgsm_self 8/255":                           sigmoid(z + up*4*8/255),
		"fgsm_self_uint8 8/255":                     sigmoid(z + up*4*8/255),
		"pgd10_delta eps=4/255, step=1/255":         sigmoid(z + up*4*4/255),
		"pgd10_delta_uint8 eps=4/255, step=1/255":   sigmoid(z + up*4*4/255),
		"pgd10_l2_self eps=2, step=0.4":             sigmoid(z + up*4*2/math.Sqrt(3*toySide*toySide)),
		"fgsm_self 0":                               clean,
		"fgsm_self_uint8 0":                         clean,
		"pgd10_label eps=2/255, step=0.5/255":       math.NaN(),
		"square_delta_uint8 eps=4/255, queries=200": row["square_delta eps=4/255, queries=200"].P,
		"pgd10_label_uint8 eps=2/255, step=0.5/255": math.NaN(),
		"cw_self eps=9, c=1000, steps=50":           row["cw_self eps=9, c=1000, steps=50"].P,
		"square_delta eps=4/255, queries=200":       row["square_delta eps=4/255, queries=200"].P,
	} {
		got, ok := row[name]
		if !ok || math.Abs(got.P-want) > 2e-6 || math.IsNaN(got.P) != math.IsNaN(want) {
			t.Errorf("%s: %+v (there %v), want p %v", name, got, ok, want)
		}
	}
	if cw := row["cw_self eps=9, c=1000, steps=50"]; (cw.P >= .5) == (clean >= .5) {
		t.Errorf("cw did not turn the decision: %+v, clean %v", cw, clean)
	}
	if square := row["square_delta eps=4/255, queries=200"]; !(math.Abs(square.P-clean) > .5*math.Abs(row["pgd10_delta eps=4/255, step=1/255"].P-clean)) {
		t.Errorf("square: %+v", square)
	}
	if a.DeviceSeconds() <= 0 || len(a.Unsupported()) > 0 || a.Margin() != "before the last Sigmoid" || result.Queries > a.Queries() {
		t.Errorf("device %v s, unsupported %v, margin %q, queries %d of %d", a.DeviceSeconds(), a.Unsupported(), a.Margin(), result.Queries, a.Queries())
	}
	probs, err := a.Attack(t.Context(), p.image(toySide), p.seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range result.Outcomes {
		if math.Float64bits(probs[i]) != math.Float64bits(o.P) {
			t.Errorf("row %d: Attack says %v, Run %v", i, probs[i], o.P)
		}
	}
}

// TestAttackCleanBits: what attacks see of a clean picture are the bits of the probe.
func TestAttackCleanBits(t *testing.T) {
	r := runtimeFor(t, Config{})
	for _, d := range []pipeline.Detector{toy(t, identity), realDetector(t, "meso4-f2f"), realDetector(t, "mesoinception4-df")} {
		s := suiteOf(t, "production")
		s.Variants = s.Variants[5:6] // quick to compile
		m, err := r.Open(t.Context(), d, s)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		a := openAttacks(t, r, d, "fgsm(eps=0)")
		for _, p := range randomPictures(4, d.Input.Width, d.Input.Height) {
			probs, err := m.Probe(t.Context(), p.image(d.Input.Width), p.seed)
			if err != nil {
				t.Fatal(err)
			}
			result, err := a.Run(t.Context(), p.image(d.Input.Width), p.seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if result.Clean != probs[0] || result.Outcomes[0].P != probs[0] || result.Outcomes[1].P != probs[0] {
				t.Errorf("%s: the probe says %v, the attacks %v", d.Name, probs[0], result)
			}
		}
	}
}

// TestAttackInCompany: rows are the same bits whatever runs beside, and after a restart.
func TestAttackInCompany(t *testing.T) {
	d := toy(t, bends)
	const names = "pgd(eps=8/255, start=random), square(target=delta, queries=60), nes(pairs=3, steps=3), cw(steps=10), pgd(norm=l2, eps=2)"
	pictures := randomPictures(6, toySide, toySide)
	attackWith := func(a *Attacker, p picture) []float64 {
		probs, err := a.Attack(t.Context(), p.image(toySide), p.seed, nil)
		if err != nil {
			t.Error(err)
		}
		return probs
	}
	a := openAttacks(t, runtimeFor(t, Config{Parallel: 1}), d, names)
	b := openAttacks(t, runtimeFor(t, Config{Parallel: 3}), d, names)
	var all sync.WaitGroup
	for i, p := range pictures {
		want := attackWith(a, p)
		all.Go(func() {
			if got := attackWith(b, p); !slices.Equal(got, want) {
				t.Errorf("picture %d: in company %v, alone %v", i, got, want)
			}
		})
	}
	all.Wait()
}

// bends is a body with a gradient that depends on the picture.
func bends(b *graph.Builder, x string) string {
	w := make([]float32, 8*3*9)
	for i := range w {
		w[i] = float32(math.Sin(float64(i*i))) / 4
	}
	y := b.Op("Conv", []string{x, b.Floats(w, 8, 3, 3, 3)}, graph.IntsAttr("pads", 1, 1, 1, 1))
	return b.Call("Mul", b.Call("Tanh", y), b.Float(3))
}

// TestAttackBatches runs the batches of a GPU on the CPU: figures are those of single runs but for rounding.
func TestAttackBatches(t *testing.T) {
	d := toy(t, bends)
	r := runtimeFor(t, Config{Parallel: 1})
	const names = "fgsm(eps=8/255), pgd(target=delta, norm=l2, eps=1), cw(steps=10), nes(pairs=2, steps=2)"
	single := openAttacks(t, r, d, names)
	batched := openAttacks(t, r, d, names)
	data, _, err := readModel(d)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(batch int) (*perturb.Attackable, error) {
		return perturb.CompileAttackable(data, d.Input, d.Output, batch)
	}
	if err := batched.model.startBatches(t.Context(), compile, true); err != nil {
		t.Fatal(err)
	}
	batched.set.Concurrency = 16
	var all sync.WaitGroup
	for i, p := range randomPictures(5, toySide, toySide) {
		all.Go(func() {
			got, err := batched.Attack(t.Context(), p.image(toySide), p.seed, nil)
			want, err2 := single.Attack(t.Context(), p.image(toySide), p.seed, nil)
			if err := errors.Join(err, err2); err != nil {
				t.Error(err)
				return
			}
			for j := range want {
				if math.Abs(got[j]-want[j]) > 1e-4 {
					t.Errorf("picture %d row %d: %v in a batch, %v alone", i, j, got[j], want[j])
				}
			}
		})
	}
	all.Wait()
}

// TestAttackFixedBatch: a model that takes three pictures at a time gets three copies.
func TestAttackFixedBatch(t *testing.T) {
	free := toy(t, bends)
	fixed := toyBatch(t, 3, bends)
	r := runtimeFor(t, Config{})
	const names = "pgd(eps=8/255), square(queries=20), nes(pairs=2, steps=2)"
	a, b := openAttacks(t, r, free, names), openAttacks(t, r, fixed, names)
	p := randomPictures(1, toySide, toySide)[0]
	want, err := a.Attack(t.Context(), p.image(toySide), p.seed, nil)
	got, err2 := b.Attack(t.Context(), p.image(toySide), p.seed, nil)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-5 {
			t.Errorf("row %d: %v, with an open batch %v", i, got[i], want[i])
		}
	}
}

// TestAttackWithoutGradient: operators without a gradient are named once, and Square Attack stands in under its own name.
func TestAttackWithoutGradient(t *testing.T) {
	d := toy(t, func(b *graph.Builder, x string) string { // the first of 32 rows is "reversed" and stays what it was
		x = b.Op("ReverseSequence", []string{b.Transpose(x, 1, 2, 0, 3), b.Ints(1, 1, 1)}, graph.IntAttr("batch_axis", 0), graph.IntAttr("time_axis", 1))
		return b.Transpose(x, 2, 0, 1, 3)
	})
	var log bytes.Buffer
	r := runtimeFor(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	a := openAttacks(t, r, d, "fgsm(eps=8/255), pgd(eps=8/255), pgd(target=delta, eps=4/255, forms=uint8), cw(eps=2), pgd(steps=300, eps=1/255), square(eps=1/255, queries=30)")
	var names []string
	for _, v := range a.Variants() {
		names = append(names, v.Family+" "+v.Parameter)
	}
	want := []string{"square_self eps=8/255, queries=200", "square_self_uint8 eps=8/255, queries=200", "square_delta_uint8 eps=4/255, queries=200",
		"square_self eps=9.201/255, queries=200", "square_self_uint8 eps=9.201/255, queries=200",
		"square_self eps=1/255, queries=304", "square_self_uint8 eps=1/255, queries=304",
		"square_self eps=1/255, queries=30", "square_self_uint8 eps=1/255, queries=30"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got  %q\nwant %q", names, want)
	}
	if len(a.Unsupported()) != 1 || strings.Count(log.String(), a.Unsupported()[0]) != 1 || !strings.Contains(log.String(), "Square Attack takes the place") {
		t.Errorf("unsupported %q, log %s", a.Unsupported(), log.String())
	}
	p := middling()
	result, err := a.Run(t.Context(), p.image(toySide), p.seed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o := result.Outcomes[0]; o.P == result.Clean || math.Abs(o.Linf-8./255) > 1e-6 {
		t.Errorf("square moved nothing: %+v", o)
	}
	log.Reset()
	openAttacks(t, r, d, "square, nes")
	if log.Len() > 0 {
		t.Errorf("nothing needs a gradient, and yet: %s", log.String())
	}
}

// TestAttackMasked: a detector whose margin goes in steps is found out by the very call that people make.
func TestAttackMasked(t *testing.T) {
	steps := func(b *graph.Builder, x string) string {
		return b.Call("Div", b.Call("Round", b.Call("Mul", b.Reduce("ReduceMean", bends(b, x), 1, 2, 3), b.Float(4000))), b.Float(4000))
	}
	const names = "pgd(target=delta, eps=8/255, forms=float), square(target=delta, eps=8/255, queries=300, forms=float)"
	r := runtimeFor(t, Config{})
	for name, c := range map[string]struct {
		body func(*graph.Builder, string) string
		want bool
	}{"honest": {bends, false}, "masked": {steps, true}} {
		a := openAttacks(t, r, toy(t, c.body), names)
		var all []attack.Judged
		for _, p := range randomPictures(12, toySide, toySide) {
			result, err := a.Run(t.Context(), p.image(toySide), p.seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, attack.Judged{Result: result})
		}
		found := attack.Masked(a.Specs(), all, .5)
		if (len(found) > 0) != c.want {
			t.Errorf("%s: %v", name, found)
		}
		for _, s := range found {
			t.Log(s)
		}
	}
}
