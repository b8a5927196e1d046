package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"shaketable/perturb"
)

func TestSuiteOfTheUser(t *testing.T) {
	c, err := Load("testdata/good.yaml", noEnv)
	if err != nil {
		t.Fatal(err)
	}
	suite, err := c.Suite()
	if err != nil {
		t.Fatal(err)
	}
	want := []perturb.Variant{{Family: "jpeg", Severity: 1, Parameter: "60"}, {Family: "jpeg", Severity: 2, Parameter: "75"},
		{Family: "motion_blur", Severity: 1, Parameter: "radius=10, sigma=3"}}
	if suite.Name != "ours" || suite.Version != "3" || suite.Codec != perturb.CodecExact || !slices.Equal(suite.Variants, want) {
		t.Errorf("%+v", suite)
	}
	c.Probe.Suite, c.Probe.Codec = "production", perturb.CodecGraph
	built, err := perturb.Lookup("production")
	if suite, again := c.Suite(); err != nil || again != nil || !slices.Equal(suite.Variants, built.Variants) || suite.Codec != perturb.CodecGraph {
		t.Errorf("%+v, %v, %v", suite, err, again)
	}
	c.Probe.Suite = "theirs"
	if _, err := c.Suite(); err == nil || !strings.Contains(err.Error(), "suites has ours") {
		t.Errorf("%v", err)
	}
}

// Every fault of every suite is told at once, each at its line.
func TestSuiteFaultsAllAtOnce(t *testing.T) {
	path := write(t, "c.yaml", `suites:
  - name: ours
    version: ""
    variants:
      - jpeg(q=60)
      - jpeg(q=600)
      - sharpen(1)
  - name: Ours
    version: "2"
    variants: [jpeg@9]
attacks:
  rate: 3
  list:
    - pgd(target=label, steps=0)
    - fgsm(step=1, eps=2)
`+minimal)
	_, err := Load(path, noEnv)
	var faults Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	for _, want := range []string{`c.yaml:3: suites[0].version: "" must be`, `c.yaml:6: suites[0].variants[1]: perturbation "jpeg(q=600)": q is 600`,
		`c.yaml:7: suites[0].variants[2]: perturbation "sharpen(1)": unknown perturbation family`, `c.yaml:10: suites[1].variants[0]: `,
		`c.yaml:12: attacks.rate: 3 must be 0 to 1`, `c.yaml:14: attacks.list[0]: `, `c.yaml:15: attacks.list[1]: `} {
		if !slices.ContainsFunc(faults, func(f Fault) bool { return strings.HasPrefix(f.Error(), want) }) {
			t.Errorf("%q is not among\n%v", want, err)
		}
	}
}
