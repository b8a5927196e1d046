package perturb_test

import (
	"slices"
	"strings"
	"testing"

	"shaketable/perturb"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]perturb.Variant{
		"jpeg@2":                              {Family: "jpeg", Severity: 2, Parameter: "75"},
		"jpeg(q=60)":                          {Family: "jpeg", Parameter: "60"},
		" jpeg ( 60 ) ":                       {Family: "jpeg", Parameter: "60"},
		"gaussian_noise(sigma=.1)":            {Family: "gaussian_noise", Parameter: "0.1"},
		"gaussian_noise(sigma=1e-1)":          {Family: "gaussian_noise", Parameter: "0.1"},
		"saturation(factor=0)":                {Family: "saturation", Parameter: "0"},
		"saturation(factor=-0)":               {Family: "saturation", Parameter: "0"},
		"saturate(scale=1, offset=-1e-400)":   {Family: "saturate", Parameter: "scale=1, offset=0"},
		"gaussian_noise(sigma=0.1000001)":     {Family: "gaussian_noise", Parameter: "0.1000001"},
		"gain(factor=1e-320)":                 {Family: "gain", Parameter: "1e-320"},
		"motion_blur(sigma=3, radius=10)":     {Family: "motion_blur", Parameter: "radius=10, sigma=3"},
		"motion_blur@1":                       {Family: "motion_blur", Severity: 1, Parameter: "radius=10, sigma=3"},
		"gaussian_blur(7)":                    {Family: "gaussian_blur", Parameter: "7"},
		"gaussian_blur(sigma=2.5, k=7)":       {Family: "gaussian_blur", Parameter: "k=7, sigma=2.5"},
		"resize(factor=2.5)":                  {Family: "resize", Parameter: "2.5"},
		"social(side=1280, q=85)":             {Family: "social", Parameter: "side=1280, q=85"},
		"defocus_blur@2":                      {Family: "defocus_blur", Severity: 2, Parameter: "radius=4, alias=0.5"},
		"defocus_blur(radius = 4,alias = .5)": {Family: "defocus_blur", Parameter: "radius=4, alias=0.5"},
	} {
		if got, err := perturb.Parse(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "unknown perturbation family",
		"sepia(1)":                       `unknown perturbation family "sepia": known are jpeg, gaussian_blur`,
		"jpeg":                           "say how strong: jpeg(q=90), or jpeg@1 to jpeg@5",
		"jpeg@6":                         `severity "6" must be 1 to 5`,
		"jpeg@0":                         `severity "0" must be 1 to 5`,
		"jpeg@-1":                        `severity "-1" must be 1 to 5`,
		"jpeg@2@3":                       `severity "2@3" must be 1 to 5`,
		"jpeg@２":                         "must be 1 to 5",
		"JPEG@2":                         `unknown perturbation family "JPEG"`,
		"jpeg(q=75)x":                    "closing parenthesis is missing at the end",
		"jpeg(q=75)@2":                   "closing parenthesis is missing at the end",
		"jpeg(q=75))":                    `q is "75)", which is no number`,
		"jpeg(q=75,)":                    `"" has no name`,
		"gain(factor=1e400)":             "factor is +Inf: it must be 0 to 4",
		"jpeg@":                          "must be 1 to 5",
		"jpeg(q=60":                      "closing parenthesis",
		"jpeg()":                         `q is "", which is no number`,
		"jpeg(quality=60)":               `unknown parameter "quality": jpeg takes q (1 to 100)`,
		"jpeg(q=0)":                      "q is 0: it must be 1 to 100",
		"jpeg(q=60.5)":                   "q is 60.5: it must be a whole number",
		"jpeg(q=60, q=70)":               "q is given twice",
		"gaussian_noise(sigma=NaN)":      "sigma is NaN: it must be 0 to 2",
		"gaussian_noise(sigma=-Inf)":     "sigma is -Inf: it must be 0 to 2",
		"motion_blur(radius=10)":         "sigma is missing: motion_blur takes radius (1 to 64 pixels), sigma (0.1 to 64 pixels)",
		"motion_blur(10, 3)":             `"10" has no name: write motion_blur(radius=10, sigma=3)`,
		"motion_blur(radius=0, sigma=0)": "radius is 0: it must be 1 to 64 pixels; sigma is 0: it must be 0.1 to 64 pixels",
		"gaussian_blur(k=8)":             "k is even",
		"gaussian_blur(sigma=2)":         "k is missing",
	} {
		if v, err := perturb.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v, want it to say %q", text, v, err, want)
		}
	}
}

// TestStringReadsBack: every variant of every built-in suite is written as Parse reads it, and a severity is the same variant.
func TestStringReadsBack(t *testing.T) {
	for _, name := range perturb.Suites() {
		for _, v := range suite(t, name).Variants {
			got, err := perturb.Parse(v.String())
			got.Severity = v.Severity
			if err != nil || got != v {
				t.Errorf("%s: %q reads back as %+v, %v, want %+v", name, v, got, err, v)
			}
		}
	}
	for _, f := range perturb.Families() {
		for s := 1; s <= 5; s++ {
			if v, err := perturb.Parse(f.Variant(s).String()); err != nil || v.Parameter != f.Variant(s).Parameter {
				t.Errorf("%s@%d: %+v, %v", f.Name, s, v, err)
			}
		}
		if f.Formula == "" || f.Bounds == "" || f.Source == "" {
			t.Errorf("%s is not described: %+v", f.Name, f)
		}
	}
	for want, v := range map[string]perturb.Variant{
		"none":                    {Family: "none"},
		"pgd10_delta(eps=2/255)":  {Family: "pgd10_delta", Severity: 1, Parameter: "eps=2/255"},
		"fgsm_self(2/255)":        {Family: "fgsm_self", Severity: 2, Parameter: "2/255"},
		"gaussian_noise(sigma=1)": {Family: "gaussian_noise", Parameter: "1"},
	} {
		if v.String() != want {
			t.Errorf("%+v is written %q, want %q", v, v, want)
		}
	}
}

func TestNewSuite(t *testing.T) {
	s, err := perturb.NewSuite("mine", "2026-11", []string{"jpeg(q=30)", "gain(factor=0.5)", "jpeg@2", "jpeg(q=75.0)", "gaussian_noise(sigma=0.1)"})
	want := `suite "mine": variant 4, jpeg(q=75), is the same as variant 3`
	if err == nil || err.Error() != want {
		t.Errorf("a variant twice: %v, %v", s, err)
	}
	s, err = perturb.NewSuite("mine", "2026-11", []string{"jpeg(q=30)", "gain(factor=0.5)", "jpeg@2", "gaussian_noise(sigma=0.1)"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "mine" || s.Version != "2026-11" || s.Codec != perturb.CodecGraph || !slices.Equal(s.Variants, []perturb.Variant{
		{"jpeg", 1, "30"}, {"gain", 1, "0.5"}, {"jpeg", 2, "75"}, {"gaussian_noise", 1, "0.1"}}) {
		t.Errorf("suite is %+v", s)
	}
	_, err = perturb.NewSuite("production", " ", []string{"jpeg", "sepia(1)", "gain@1", "gain(factor=9)"})
	for _, want := range []string{"taken by a built-in suite", "no version", `variant 1: perturbation "jpeg": say how strong`,
		`variant 2: perturbation "sepia(1)": unknown`, "variant 4: perturbation \"gain(factor=9)\": factor is 9: it must be 0 to 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want it to say %q too", err, want)
		}
	}
	if _, err := perturb.NewSuite("", "1", nil); err == nil || !strings.Contains(err.Error(), "no name") || !strings.Contains(err.Error(), "no variants") {
		t.Errorf("nothing at all: %v", err)
	}
}

// FuzzParse: whatever is accepted is within bounds, is written as it is read, and can be compiled.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"jpeg@2", "jpeg(q=60)", "motion_blur(radius=10, sigma=3)", "gaussian_blur(k=7,sigma=1)", "social(side=16, q=1)", "gain(0x1p-2)", "snow@3", "x(", "@", "(=,=)"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := perturb.Parse(text)
		if err != nil {
			return
		}
		again, err := perturb.Parse(v.String())
		if err != nil || again.Family != v.Family || again.Parameter != v.Parameter {
			t.Fatalf("%q is %+v, written %q, read back %+v, %v", text, v, v, again, err)
		}
		if v.Family == "motion_blur" || v.Family == "block_occlusion" {
			return // compiling a large one takes longer than a step of fuzzing may
		}
		if _, err := perturb.CompilePixels(perturb.Suite{Name: "fuzz", Variants: []perturb.Variant{v}}, 33, 17, 17); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
