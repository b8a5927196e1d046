package main

import (
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"shaketable/cmd/shaketable/suspect"
)

// report prints what was found.
func (v verification) report(w io.Writer, f suspect.Finding) {
	c := f.Configured
	fmt.Fprintf(w, "%s %s: %d pictures with a score\n", v.detector.Name, v.detector.Version, c.N)
	v.reportScores(w, c)
	v.reportUnused(w, f)
	fmt.Fprintf(w, "\n%-44s %8s %8s   within .001   .01   .05\n", "difference of the probabilities of fake", "median", "largest")
	row(w, "as configured", c.Comparison)
	if c.Verdict == suspect.Same && !f.Flat {
		fmt.Fprintf(w, "\nthe same: the detector here gives your service's scores, but for rounding\n")
		return
	}
	if f.Flat {
		fmt.Fprintf(w, "\nnothing can be told: your scores are all alike, %.6g; choose other pictures, or give more digits. If they are right, the\n"+
			"service is saturated: look at the scale of its pixels\n", c.Theirs[0])
		return
	}
	if v.near(c) {
		fmt.Fprintf(w, "\nnear enough: no picture differs by more than --tolerance %g\n", v.options.tolerance)
		return
	}
	worst(w, f, c)
	fmt.Fprintf(w, "\n%s\n", map[suspect.Verdict]string{
		suspect.Close:     "close, but not the same",
		suspect.Different: "different: what is measured now is not what your service does",
	}[c.Verdict])
	v.reportSearch(w, f)
}

// near says whether the tolerance that the user gives covers every picture.
func (v verification) near(c suspect.Fit) bool {
	return c.Verdict == suspect.Same || c.Max <= v.options.tolerance
}

// reportScores says what the scores were taken for.
func (v verification) reportScores(w io.Writer, c suspect.Fit) {
	what := map[suspect.Form]string{suspect.Probability: "probabilities", suspect.Percent: "percentages", suspect.Logit: "logits, log(p/(1-p))"}[c.Form]
	of := "fake"
	if v.scores.real {
		of = "real"
	}
	lo, hi := slices.Min(c.Theirs), slices.Max(c.Theirs)
	fmt.Fprintf(w, "scores: taken for %s of %s, written with %d digits behind the point; as probabilities of fake %.4g to %.4g\n", what, of, v.scores.digits, lo, hi)
	if c.Spread < 4*v.scores.rounding || c.Spread < 1e-3 {
		fmt.Fprintln(w, "  they hardly differ from picture to picture: little can be told from them; choose pictures with clearer scores, or give more digits")
	}
	if v.scores.digits < 3 && c.Form != suspect.Percent {
		fmt.Fprintln(w, "  so few digits hide small differences; give 4 or more")
	}
}

// shownFiles is how many names of a list are printed.
const shownFiles = 3

func (v verification) reportUnused(w io.Writer, f suspect.Finding) {
	if n := len(v.missing); n > 0 {
		fmt.Fprintf(w, "left out: %d scores whose file is not in the folder, or is not unique: %s\n", n, some(v.missing))
	}
	if v.unscored > 0 {
		fmt.Fprintf(w, "left out: %d pictures of the folder without a score\n", v.unscored)
	}
	for _, u := range f.Unusable[:min(len(f.Unusable), shownFiles)] {
		fmt.Fprintf(w, "left out: %s: %v\n", u.Name, u.Err)
	}
	if n := len(f.Unusable) - shownFiles; n > 0 {
		fmt.Fprintf(w, "left out: %d more files that cannot be used\n", n)
	}
}

func some(names []string) string {
	text := strings.Join(names[:min(len(names), shownFiles)], ", ")
	if len(names) > shownFiles {
		text += ", …"
	}
	return text
}

// labelWidth is that of the first column of the table.
const labelWidth = 44

func row(w io.Writer, label string, c suspect.Comparison) {
	lines := strings.Split(wrap(label, 2, labelWidth-2), "\n")
	for _, line := range lines[:len(lines)-1] {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(w, "%-*s %8.5f %8.5f   %10.0f%% %4.0f%% %4.0f%%\n", labelWidth, lines[len(lines)-1], c.Median, c.Max,
		100*c.Within[0], 100*c.Within[1], 100*c.Within[2])
}

// worst lists the pictures that differ most under a fit.
func worst(w io.Writer, f suspect.Finding, fit suspect.Fit) {
	fmt.Fprintln(w, "  most different:")
	for _, i := range fit.Worst {
		fmt.Fprintf(w, "    %-36s yours %.4f   here %.4f\n", f.Names[i], fit.Theirs[i], fit.Ours[i])
	}
}

// reportSearch prints what fits best, and what explains the scores.
func (v verification) reportSearch(w io.Writer, f suspect.Finding) {
	base := v.base(f)
	fmt.Fprintf(w, "\ntried %d ways from a file to a score; the best:\n", f.Tried)
	for _, fit := range f.Best {
		row(w, describeFit(fit, base), fit.Comparison)
	}
	if f.Stopped {
		fmt.Fprintf(w, "the search ended after --budget %s: there were more combinations to try\n", v.options.budget)
	}
	if len(f.Blind) > 0 {
		fmt.Fprintf(w, "these pictures cannot tell %s\n", strings.Join(f.Blind, ", nor "))
	}
	if f.Explained {
		v.explain(w, f, base)
		return
	}
	v.defeat(w, f, base)
}

func (v verification) base(f suspect.Finding) suspect.Hypothesis { return f.Configured.Hypothesis }

// describeFit adds what the scores would have to be to what would have to be changed.
func describeFit(fit suspect.Fit, base suspect.Hypothesis) string {
	text := fit.Describe(base)
	if fit.Form != base.Form {
		text += ", scores being " + string(fit.Form) + "s"
	}
	return text
}

// explain prints the explanation, its rivals, and the lines to change.
func (v verification) explain(w io.Writer, f suspect.Finding, base suspect.Hypothesis) {
	lead := f.Alike[0]
	how := "the same but for rounding"
	if lead.Verdict != suspect.Same {
		how = fmt.Sprintf("near, not the same: half of the pictures within %.5f, all within %.5f%s", lead.Median, lead.Max, left(f, lead))
	}
	fmt.Fprintf(w, "\nexplained: %s (%s)\n", describeFit(lead, base), how)
	v.rivals(w, f, base)
	fmt.Fprintf(w, "\nchange in %s:\n", v.options.detectors)
	v.printEdits(w, lead, base)
	if meansOtherwise(lead.Changes(base)) {
		fmt.Fprintln(w, "or, if the model is described rightly and it is your service that writes the other probability: leave the file, run verify\n"+
			"with --meaning "+otherMeaning(v.scores.real)+", and set decode.score.meaning in the configuration of the worker")
	}
	if lead.Verdict != suspect.Same {
		worst(w, f, lead)
	}
}

// left says what the rest of the difference may come from.
func left(f suspect.Finding, fit suspect.Fit) string {
	jpegs, others := 0., 0.
	count := 0
	for i, name := range f.Names {
		gap := math.Abs(fit.Ours[i] - fit.Theirs[i])
		if ext := strings.ToLower(path.Ext(name)); ext == ".jpg" || ext == ".jpeg" {
			jpegs = max(jpegs, gap)
			continue
		}
		count++
		others = max(others, gap)
	}
	if count > 0 && others < jpegs/10 {
		return "; only JPEG files differ: your service has another JPEG decoder"
	}
	return ", as with another decoder or another way to scale"
}

// meansOtherwise says whether fake and real change places.
func meansOtherwise(changes []suspect.Change) bool {
	return slices.ContainsFunc(changes, func(c suspect.Change) bool { return c.Path == "output.meaning" || c.Path == "output.index" })
}

func otherMeaning(real bool) string {
	if real {
		return "fake"
	}
	return "real"
}

// mostRivals is how many rivals are named.
const mostRivals = 4

// rivals names what fits as well.
func (v verification) rivals(w io.Writer, f suspect.Finding, base suspect.Hypothesis) {
	lead, more, alike := f.Alike[0], 0, 0
	for _, a := range f.Alike[1:] {
		if a.Steps > lead.Steps {
			more++
			continue
		}
		if alike++; alike <= mostRivals {
			fmt.Fprintf(w, "fits as well, on these pictures: %s\n", describeFit(a, base))
		}
	}
	if alike > mostRivals {
		fmt.Fprintf(w, "and %d more that change as much: these pictures tell too little; choose ones with scores between 0.1 and 0.9\n", alike-mostRivals)
	}
	if more > 0 {
		fmt.Fprintf(w, "(%d combinations of this with further changes fit as well; there is no reason to believe them)\n", more)
	}
}

// defeat says honestly that nothing explains the scores, and what that leaves.
func (v verification) defeat(w io.Writer, f suspect.Finding, base suspect.Hypothesis) {
	best := f.Alike[0]
	switch {
	case f.Configured.Verdict == suspect.Close:
		fmt.Fprintf(w, "\nnothing that was tried is clearly nearer: all pictures are within %.5f%s.\n"+
			"It may also be half precision or TF32 on a GPU. Figures of robustness will be near those of your service. If that is near\n"+
			"enough, say so: --tolerance %s\n", f.Configured.Max, left(f, f.Configured), upper(f.Configured.Max))
	default:
		fmt.Fprintf(w, "\nnot explained: none of the %d combinations gives your scores (the nearest, %s, is %.3f away on half of the pictures)\n",
			f.Tried, describeFit(best, base), best.Median)
		fmt.Fprintln(w, "What is left: another version of the weights; scores of other files (a crop of the face, a frame, a thumbnail); several crops\n"+
			"or frames averaged; other constants for mean and std; a step behind the model")
	}
	if f.Configured.Verdict == suspect.Different && f.Agreement > orderAgrees {
		fmt.Fprintf(w, "The scores order the pictures like the model here does (rank correlation %.3f): this looks like a step behind the model, such\n"+
			"as a calibration, a temperature or an average; the pictures seem to be prepared alike\n", f.Agreement)
	}
	if len(f.Names) < fewPictures {
		fmt.Fprintf(w, "%d pictures are few: with %d or more, chance can be ruled out\n", len(f.Names), fewPictures)
	}
}

// upper rounds up to one digit that is not 0.
func upper(v float64) string {
	digits := max(int(math.Ceil(-math.Log10(max(v, 1e-9)))), 0)
	return strconv.FormatFloat(math.Ceil(v*math.Pow10(digits))/math.Pow10(digits), 'f', -1, 64)
}

const (
	orderAgrees = .98
	fewPictures = 20
)
