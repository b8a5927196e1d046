package config

import (
	"fmt"
	"slices"
	"strings"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// Suite is a perturbation suite of the user's own.
type Suite struct {
	Name string `yaml:"name"`
	// Version changes with every change of the list: figures of different versions are never mixed. Quote it in YAML.
	Version string `yaml:"version"`
	// Variants are written as "gaussian_noise(sigma=0.1)" or, by severity, "jpeg@2"; see `shaketable perturb --list`.
	Variants []string `yaml:"variants"`
}

// Suite returns the suite that probe.suite names, with its codec.
func (c Config) Suite() (perturb.Suite, error) {
	suite, err := c.lookup(c.Probe.Suite)
	if err != nil {
		return perturb.Suite{}, fmt.Errorf("probe.suite: %w", err)
	}
	if suite, err = suite.WithCodec(c.Probe.Codec); err != nil {
		return perturb.Suite{}, fmt.Errorf("probe.codec: %w", err)
	}
	return suite, nil
}

func (c Config) lookup(name string) (perturb.Suite, error) {
	for _, s := range c.Suites {
		if s.Name == name {
			return perturb.NewSuite(s.Name, s.Version, s.Variants)
		}
	}
	suite, err := perturb.Lookup(name)
	if err != nil && len(c.Suites) > 0 {
		return perturb.Suite{}, fmt.Errorf("%w; suites has %s", err, strings.Join(c.suiteNames(), ", "))
	}
	return suite, err
}

func (c Config) suiteNames() []string {
	var names []string
	for _, s := range c.Suites {
		names = append(names, s.Name)
	}
	return names
}

// checkSuites returns the faults of the user's suites, each at its line, and of the choice of one.
func (c *Config) checkSuites() []problem {
	var ps []problem
	for i, s := range c.Suites {
		at := fmt.Sprintf("suites[%d]", i)
		ps = append(ps, s.check(at)...)
		if slices.Contains(c.suiteNames()[:i], s.Name) {
			ps = append(ps, problem{at + ".name", fmt.Sprintf("%q is there twice", s.Name)})
		}
	}
	if len(ps) > 0 || c.Probe.Suite == "" {
		return ps // what is chosen among faulty suites need not be told
	}
	suite, err := c.lookup(c.Probe.Suite)
	if err != nil {
		return append(ps, problem{"probe.suite", err.Error()})
	}
	picks, n := c.Probe.VariantsPerProbe, len(suite.Variants)
	switch {
	case picks > n:
		ps = append(ps, problem{"probe.variants_per_probe", fmt.Sprintf("%d is more than the %d variants of suite %s; 0 is all", picks, n, suite.Name)})
	case slices.Contains(pipeline.DesignRates(suite, picks, 0, 0), 0):
		ps = append(ps, problem{"probe.variants_per_probe", fmt.Sprintf("%d leaves no room beside the variant of suite %s that every probe runs "+
			"(jpeg at severity 2); give at least 2, or 0 for all", picks, suite.Name)})
	}
	return ps
}

// check looks at one suite: its name and version here, because they become parts of keys, its variants one by one, so that
// each fault has its line, and the whole as perturb.NewSuite does.
func (s Suite) check(at string) []problem {
	var ps []problem
	for _, word := range []struct{ key, value string }{{"name", s.Name}, {"version", s.Version}} {
		if !nameForm.MatchString(word.value) {
			ps = append(ps, problem{at + "." + word.key, fmt.Sprintf("%q %s", word.value, nameRule)})
		}
	}
	for i, text := range s.Variants {
		if _, err := perturb.Parse(text); err != nil {
			ps = append(ps, problem{fmt.Sprintf("%s.variants[%d]", at, i), err.Error()})
		}
	}
	if len(ps) > 0 {
		return ps
	}
	if _, err := perturb.NewSuite(s.Name, s.Version, s.Variants); err != nil {
		ps = append(ps, problemsOf(at, err)...)
	}
	return ps
}
