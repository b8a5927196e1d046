package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"shaketable/metrics"
	"shaketable/perturb"
	"shaketable/pipeline"
)

// What an evaluation before said: the figures that this one is held against.

// Keys of the provenance of baseline.json, beside those of pipeline.
const (
	provenanceDetector = "detector"
	provenanceMedia    = "media_sha256"
	provenanceCodec    = "codec"
	provenanceVariants = "variants" // of a suite that was listed by hand, whose name says nothing
)

// readAgainst returns the baseline of every detector, in their order. Figures that cannot be compared with those of this
// evaluation are an error: another detector, another suite or version of it, or pictures recompressed in another way.
func readAgainst(path string, detectors []pipeline.Detector, suite perturb.Suite) ([]metrics.Baseline, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all, err := pipeline.ParseBaselines(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var chosen []metrics.Baseline
	var faults []error
	for _, d := range detectors {
		b, err := baselineOf(all, d.Name)
		if err == nil {
			err = comparable(b, suite)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
		}
		chosen = append(chosen, b)
	}
	return chosen, errors.Join(faults...)
}

// baselineOf is the newest one of that detector.
func baselineOf(all []metrics.Baseline, detector string) (found metrics.Baseline, err error) {
	var known []string
	for _, b := range all {
		name := b.Provenance[provenanceDetector]
		switch {
		case b.Kind != metrics.File || name == "":
		case name == detector && !b.FrozenAt.Before(found.FrozenAt):
			found = b
		case !slices.Contains(known, name):
			known = append(known, name)
		}
	}
	switch {
	case found.ID != "":
		return found, nil
	case len(known) == 0:
		return found, errors.New("it holds no evaluation: give the baseline.json that evaluate wrote")
	}
	return found, fmt.Errorf("it has no figures of detector %q, only of %s: evaluate that one (--only), or give the baseline.json of this one",
		detector, strings.Join(known, ", "))
}

// comparable says why the figures of a baseline are no figures of this suite.
func comparable(b metrics.Baseline, suite perturb.Suite) error {
	name := b.Provenance[provenanceDetector]
	if was, is := b.Provenance[pipeline.ProvenanceSuite], suite.Name+"@"+suite.Version; was != is {
		return fmt.Errorf("the figures of %s are of suite %s, and this evaluation is of %s: give --suite as it was, or evaluate again with this program", name, was, is)
	}
	if was, is := b.Provenance[provenanceVariants], variantsText(suite); suite.Name == ownSuite && was != is {
		return fmt.Errorf("the figures of %s are of the perturbations %q, and this evaluation is of %q: give --suite as it was, or evaluate again with this program", name, was, is)
	}
	if was := b.Provenance[provenanceCodec]; recompresses(suite) && was != suite.Codec {
		return fmt.Errorf("the figures of %s are of pictures recompressed by codec %q, and this evaluation uses %q: give --codec %s", name, was, suite.Codec, was)
	}
	return nil
}

// variantsText lists the perturbations of a suite, sorted: the order in which they were listed changes no figure.
func variantsText(suite perturb.Suite) string {
	var list []string
	for _, v := range suite.Variants {
		list = append(list, v.Family+"("+v.Parameter+")")
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// recompresses says whether the codec of a suite matters.
func recompresses(suite perturb.Suite) bool {
	return slices.ContainsFunc(suite.Variants, func(v perturb.Variant) bool { return v.Family == "jpeg" || v.Family == "social" })
}

// warnAgainst says where the pictures are not those of the baseline.
func (t task) warnAgainst(w io.Writer, done []evaluation) {
	for i, b := range t.against {
		if was := b.Provenance[provenanceMedia]; was != mediaDigest(t.media.pictures, done[i]) {
			fmt.Fprintf(w, "%s: the pictures are not those of --against (%s of them then): a change may be due to the pictures\n",
				done[i].detector.Name, b.Provenance["pictures"])
		}
	}
}
