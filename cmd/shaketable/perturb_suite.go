package main

import (
	"fmt"
	"slices"
	"strings"

	"shaketable/perturb"
)

const codecUsage = "who makes jpeg: graph (inside the model, fast) or exact (an encoder and a decoder) (default graph)"

func suiteUsage() string {
	return "perturbation suite: " + strings.Join(perturb.Suites(), ", ") + "; or perturbations, such as 'jpeg(q=60), gaussian_noise@2, gain'"
}

// ownSuite is the name of a suite that was written out on the command line.
const ownSuite = "own"

// findSuite returns the suite of that name, or one of the perturbations that text lists. A codec of "" is the suite's own.
func findSuite(text, codec string) (perturb.Suite, error) {
	suite, err := perturb.Lookup(strings.TrimSpace(text))
	if variants := expand(splitList(text)); err != nil && listsVariants(variants) {
		// The seeds of deepfake-v1: a variant of that suite then is the same picture here.
		var seeds perturb.Suite
		if seeds, err = perturb.Lookup("deepfake-v1"); err == nil {
			suite, err = perturb.NewSuite(ownSuite, seeds.Version, variants)
		}
		if i := slices.IndexFunc(variants, func(v string) bool { return slices.Contains(perturb.Suites(), v) }); err != nil && i >= 0 {
			err = fmt.Errorf("%w; %s is a suite: name a suite alone, or list perturbations", err, variants[i])
		}
	} else if err != nil {
		err = fmt.Errorf("%w; or list perturbations, such as 'jpeg(q=60), gaussian_noise@2': shaketable perturb --list describes them", err)
	}
	if err != nil {
		return perturb.Suite{}, fmt.Errorf("--suite: %w", err)
	}
	if codec == "" {
		return suite, nil
	}
	if suite, err = suite.WithCodec(codec); err != nil {
		return perturb.Suite{}, fmt.Errorf("--codec: %w", err)
	}
	return suite, nil
}

// listsVariants tells a list of perturbations, be they right or wrong, from the name of a suite.
func listsVariants(variants []string) bool {
	return len(variants) > 1 || len(variants) == 1 && strings.ContainsAny(variants[0], "(@")
}

// splitList cuts at commas outside of parentheses.
func splitList(text string) (list []string) {
	depth, from := 0, 0
	for i, r := range text + "," {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && (depth <= 0 || i == len(text)):
			list = append(list, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}

// expand writes a family without parameters as all of its severities.
func expand(variants []string) (list []string) {
	for _, v := range variants {
		if !slices.ContainsFunc(perturb.Families(), func(f perturb.Family) bool { return f.Name == v }) {
			list = append(list, v)
			continue
		}
		for severity := range 5 {
			list = append(list, fmt.Sprintf("%s@%d", v, severity+1))
		}
	}
	return list
}
