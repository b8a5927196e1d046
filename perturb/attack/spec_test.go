package attack

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"fgsm":                        "fgsm(target=self, eps=2/255, norm=linf)",
		"fgsm()":                      "fgsm(target=self, eps=2/255, norm=linf)",
		" pgd ( eps = 8/255 ) ":       "pgd(target=self, eps=8/255, step=2/255, steps=10, norm=linf, start=clean, keep=best)",
		"pgd(eps=1/255)":              "pgd(target=self, eps=1/255, step=0.5/255, steps=10, norm=linf, start=clean, keep=best)",
		"pgd(norm=l2)":                "pgd(target=self, eps=0.5, step=0.1, steps=10, norm=l2, start=clean, keep=best)",
		"pgd(norm=l2,eps=0)":          "pgd(target=self, eps=0, step=1e-06, steps=10, norm=l2, start=clean, keep=best)",
		"fgsm(eps=.0078)":             "fgsm(target=self, eps=0.0078, norm=linf)",
		"fgsm(eps=0.1234567891)":      "fgsm(target=self, eps=0.1234567891, norm=linf)",
		"fgsm(eps=.5/255)":            "fgsm(target=self, eps=0.5/255, norm=linf)",
		"square(target=delta)":        "square(target=delta, eps=2/255, queries=200, p=0.8)",
		"cw(eps=3, variable=clip)":    "cw(target=self, eps=3, c=1, steps=50, searches=1, rate=0.001, confidence=0, variable=clip)",
		"nes(pairs=5)":                "nes(target=self, eps=2/255, step=0.5/255, steps=10, pairs=5, sigma=0.001, start=clean, keep=best)",
		"fgsm(forms=uint8+jpeg90)":    "fgsm(target=self, eps=2/255, norm=linf, forms=uint8+jpeg90)",
		"pgd(target=delta, steps=20)": "pgd(target=delta, eps=2/255, step=0.5/255, steps=20, norm=linf, start=clean, keep=best)",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if s.String() != want {
			t.Errorf("%s: got %s, want %s", text, s, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "unknown attack \"\": known are fgsm, pgd, cw, square, nes",
		"pdg(eps=1/255)":                  "known are fgsm, pgd, cw, square, nes",
		"pgd(eps=8)":                      "eps is 8: it must be 0 to 1 (pixels are in [0,1]: write 8/255 for eight grey levels)",
		"pgd(eps=-1/255)":                 "it must be 0 to 1",
		"pgd(eps=1/0)":                    "no number",
		"pgd(eps=0/0)":                    "no number",
		"pgd(eps=nan)":                    "no number",
		"pgd(eps=)":                       `"eps=" is not key=value`,
		"pgd(eps)":                        `"eps" is not key=value`,
		"pgd(eps=1/255":                   "write it as name(key=value, key=value)",
		"pgd(eps=(1))":                    "write it as name(key=value, key=value)",
		"pgd(eps=1/255, eps=2/255)":       "eps is given twice",
		"pgd(step=0)":                     "step is 0: it must be above 0",
		"pgd(steps=0)":                    "steps is 0: it must be 1 to 10000",
		"pgd(steps=1.5)":                  "no whole number",
		"pgd(target=fake)":                "it must be one of label, self, delta",
		"fgsm(steps=10)":                  `fgsm has no parameter "steps": it has target, eps, norm, forms`,
		"square(norm=l2)":                 `square has no parameter "norm"`,
		"square(queries=3)":               "queries is 3: it must be 8 to 1000000",
		"fgsm(forms=png)":                 `form "png" is not one of float, uint8, jpeg90`,
		"fgsm(forms=float+float)":         "is there twice",
		"pgd(steps=0, target=x, keep=it)": "target is \"x\": it must be one of label, self, delta; steps is 0: it must be 1 to 10000; keep is \"it\": it must be one of best, last",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want it to say %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"pgd(eps=2/255)", "cw(c=1e3,rate=1/3)", "square(queries=1e3, p=.05)", "nes(forms=uint8)", "fgsm(norm=l2, eps=0.1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q became %q, which became %q (%v)", text, s, again, err)
		}
	})
}

// TestAcceptance: the list is that of the acceptance table, under its names and severities.
func TestAcceptance(t *testing.T) {
	specs, err := List("acceptance")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range Variants(specs) {
		got = append(got, v.Family+" "+string(rune('0'+v.Severity))+" "+v.Parameter)
	}
	const pgd = " 1 eps=2/255, step=0.5/255, keep=last"
	want := []string{"fgsm_label 1 1/255", "fgsm_label 2 2/255", "fgsm_label 3 4/255", "fgsm_label 4 8/255", "fgsm_label 5 16/255", "pgd10_label" + pgd,
		"fgsm_self 1 1/255", "fgsm_self 2 2/255", "fgsm_self 3 4/255", "fgsm_self 4 8/255", "fgsm_self 5 16/255", "pgd10_self" + pgd}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestList(t *testing.T) {
	specs, err := List("fgsm(eps=8/255, forms=float+jpeg90), fgsm(eps=1/255) ,pgd(norm=l2, start=random),cw(eps=1),square(target=delta)")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, v := range Variants(specs) {
		got = append(got, v.Family+"@"+string(rune('0'+v.Severity))+" "+v.Parameter)
	}
	want := []string{"fgsm_self@2 8/255", "fgsm_self_jpeg90@1 8/255", "fgsm_self@1 1/255", "fgsm_self_uint8@1 1/255",
		"pgd10_l2_self@1 eps=0.5, step=0.1, start=random", "pgd10_l2_self_uint8@1 eps=0.5, step=0.1, start=random",
		"cw_self@1 eps=1, c=1, steps=50", "cw_self_uint8@1 eps=1, c=1, steps=50",
		"square_delta@1 eps=2/255, queries=200", "square_delta_uint8@1 eps=2/255, queries=200"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if rows := Rows(specs); !reflect.DeepEqual(rows, []int{0, 2, 4, 6, 8}) {
		t.Errorf("rows %v", rows)
	}
	if _, err := List("default"); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"":                               "no attacks are named: give acceptance or default",
		"pgd, wobble, fgsm(eps=9)":       "known are fgsm, pgd, cw, square, nes, and the lists acceptance, default\nattack \"fgsm(eps=9)\": eps is 9",
		"fgsm,fgsm(eps=2/255)":           "are the same row fgsm_self 2/255: leave one out",
		"fgsm(forms=float+jpeg90), fgsm": "are the same row fgsm_self 2/255",
	} {
		if _, err := List(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %q", text, err, want)
		}
	}
}
