package attack

import (
	"math"
	"strings"
	"testing"
)

func judged(t *testing.T, m Model, pictures int, specs []Spec) (list []Judged) {
	t.Helper()
	for seed := range int64(pictures) {
		pic := picture(seed)
		fake := seed%2 == 0
		pic.Fake = &fake
		r, err := Run(t.Context(), m, Setting{Threshold: .5}, specs, pic)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Judged{r, pic.Fake})
	}
	return list
}

// TestMasked: a margin in steps has no gradient and is found out, by comparison and by its zeros; the same detector without
// steps is not suspected.
func TestMasked(t *testing.T) {
	specs, err := List("fgsm(eps=16/255), pgd(eps=16/255), pgd(target=label, eps=16/255), pgd(target=delta, eps=16/255)," +
		"square(eps=16/255, queries=300), square(target=label, eps=16/255, queries=300), square(target=delta, eps=16/255, queries=600), square(target=delta, eps=1/255)")
	if err != nil {
		t.Fatal(err)
	}
	m := newBrain(5, false)
	m.gain = 2
	if found := Masked(specs, judged(t, m, 16, specs), .5); len(found) > 0 {
		t.Errorf("an honest detector is suspected: %v", found)
	}
	m.step = .05
	found := Masked(specs, judged(t, m, 16, specs), .5)
	var text strings.Builder
	for _, s := range found {
		text.WriteString(s.String() + "\n")
	}
	for _, want := range []string{"the gradient that fgsm_self follows is exactly 0 on 16 of 16 pictures", "RA_self is", "RA_label is", "mean |dp| is",
		"under square_delta, which needs no gradient", "under pgd10_delta_uint8 with the same budget (16 pictures)"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("nothing says %q:\n%s", want, text.String())
		}
	}
	for _, s := range Masked(specs, judged(t, m, 9, specs), .5) {
		if s.Rival != "" {
			t.Errorf("nine pictures are too few to compare: %v", s)
		}
	}
	if found := Masked(specs, judged(t, m, 1, specs), .5); len(found) != 4 {
		t.Errorf("a gradient of 0 wherever one looks: %d attacks are suspected, want 4: %v", len(found), found)
	}
}

// TestMaskedNeedsEvidence: a difference that a few pictures make is within its own error.
func TestMaskedNeedsEvidence(t *testing.T) {
	specs := []Spec{parse(t, "pgd(forms=float)"), parse(t, "square(forms=float)")}
	for _, c := range []struct {
		only  int // pictures of 20 that square turns and PGD does not
		other int // and the reverse
		want  bool
	}{{0, 0, false}, {2, 0, false}, {3, 0, false}, {4, 1, false}, {6, 0, true}, {8, 3, false}, {10, 2, true}, {0, 10, false}} {
		var list []Judged
		for i := range 20 {
			r := Result{Clean: .9, Outcomes: []Outcome{{P: .8}, {P: .8}}}
			if i < c.only {
				r.Outcomes[1].P = .2
			} else if i < c.only+c.other {
				r.Outcomes[0].P = .2
			}
			list = append(list, Judged{Result: r})
		}
		list = append(list, Judged{Result: Result{Clean: .9, Outcomes: []Outcome{{P: math.NaN()}, {P: .1}}}})
		if got := len(Masked(specs, list, .5)) > 0; got != c.want {
			t.Errorf("%d against %d of 20: suspected %v, want %v", c.only, c.other, got, c.want)
		}
	}
}
