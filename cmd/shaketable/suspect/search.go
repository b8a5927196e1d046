package suspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"shaketable/pipeline"
)

// Picture is a file with the service's score of it.
type Picture struct {
	Name  string
	Score float64
	Read  func() ([]byte, error)
}

// Case is what is to be explained.
type Case struct {
	// Base is the detector as it is configured; its Form is found out.
	Base     Hypothesis
	Pictures []Picture
	// Real says that the scores are the probability of real.
	Real bool
	// Rounding is half a unit of the last digit of the scores, in their own unit.
	Rounding float64
	// Tolerance is a difference that needs no explanation.
	Tolerance float64
	// Layouts and Sizes are what else the model's input allows: none where the file says it.
	Layouts []string
	Sizes   []Size
	// Bytes says that the model takes uint8 pixels: there is nothing to scale.
	Bytes bool
	// Open loads the model at a size. It is called once for each.
	Open func(layout string, size Size) (Network, error)
	// Prepare bounds what a picture may cost.
	Prepare pipeline.PrepareConfig
	// Parallel is how many runs keep the device busy.
	Parallel int
	// Enough is asked before more is tried; nil never has enough.
	Enough func() bool
	// Say is told what is being done, and how many runs that takes; Step that one is done. Both may be nil.
	Say  func(what string, runs int)
	Step func()
}

// Size is that of the input in pixels.
type Size struct{ Width, Height int }

// Fit is a hypothesis, and how well it fits all pictures.
type Fit struct {
	Hypothesis
	Comparison
	Steps   int // decisions that differ from the configuration
	Verdict Verdict
	Ours    []float64 // probabilities of fake, by picture
	Theirs  []float64 // the service's, as the hypothesis understands them
}

// Unusable is a picture that could not be compared.
type Unusable struct {
	Name string
	Err  error
}

// Finding is the result of a search.
type Finding struct {
	// Configured is how the configuration itself fits.
	Configured Fit
	// Names are the compared pictures: what Ours, Theirs and Worst count in.
	Names    []string
	Unusable []Unusable
	// Explained says that Alike[0] explains the scores.
	Explained bool
	// Alike are the hypotheses that fit as well as the best one, the one with the fewest changes first.
	Alike []Fit
	// Best are the best fits, best first, whatever they mean.
	Best []Fit
	// Tried is how many ways from a file to a score were compared; 0 if the configuration needed no search.
	Tried int
	// Stopped says that Enough ended the search early.
	Stopped bool
	// Flat says that the scores are all alike, so that nothing can be told from them, and nothing was tried.
	Flat bool
	// Blind names what the pictures cannot tell.
	Blind []string
	// Agreement is the rank correlation of ours, as configured, with theirs: 1 if they order the pictures alike.
	Agreement float64
}

// Limits of an explanation.
const (
	fitsAt     = .15 // of the spread of the scores: what a different decoder leaves at most
	fitsBetter = 4.  // times nearer than the configuration
	fitsNearer = 1.5 // times, if picture by picture hardly one is farther
	alikeAt    = 1.5 // times the difference of the best
	byChance   = .01
	flatAt     = 1e-6 // of the spread
)

// Search compares, and looks for an explanation unless all is the same. Errors are those of ctx, of the model, and of
// pictures none of which can be used.
func Search(ctx context.Context, c Case) (Finding, error) {
	s, err := newSearch(c)
	if err != nil {
		return Finding{}, err
	}
	if err := s.configured(ctx); err != nil {
		return s.finding, err
	}
	if f := s.finding.Configured; f.Verdict == Same || f.Max <= s.Tolerance || f.Spread <= s.flat() {
		s.finding.Flat = f.Spread <= s.flat()
		return s.finding, nil
	}
	if err := s.choosePictures(ctx); err != nil {
		return s.finding, err
	}
	if err := s.levels(ctx); err != nil {
		return s.finding, err
	}
	return s.finding, s.conclude(ctx)
}

// flat is the spread of scores that differ in a few of their last digits only.
func (s *search) flat() float64 { return max(flatAt, 5*s.forms[0].rounding) }

// configured runs the configuration on all pictures.
func (s *search) configured(ctx context.Context) error {
	base := path{s.base.Input, s.base.Exif}
	s.say("comparing as configured", len(s.pictures))
	if err := s.look(ctx, []path{base}); err != nil {
		return err
	}
	if len(s.pictures) == 0 {
		first := s.finding.Unusable[0]
		return fmt.Errorf("none of the %d pictures can be used; the first, %s: %w", len(s.finding.Unusable), first.Name, first.Err)
	}
	scores := make([]float64, len(s.pictures))
	for i, p := range s.pictures {
		scores[i] = p.Score
		s.finding.Names = append(s.finding.Names, p.Name)
	}
	s.forms = forms(scores, s.Real, s.Rounding)
	s.readings = readings(s.outputs[base][0], readingOf(s.base.Output))
	f := &s.finding
	for i, form := range s.forms {
		fit, ok := s.fit(base, readingOf(s.base.Output), form)
		if !ok {
			return fmt.Errorf("output %q, index %d, is no %s: check output.name, index and kind", s.base.Output.Name, s.base.Output.Index, s.base.Output.Kind)
		}
		if i == 0 || fit.Verdict == Same && f.Configured.Verdict != Same {
			f.Configured, s.base.Form = fit, form.form
		}
	}
	f.Agreement = rankAgreement(f.Configured.Ours, f.Configured.Theirs)
	f.Blind = s.blind()
	return nil
}

// fit compares one hypothesis on all pictures, which must have been run.
func (s *search) fit(at path, r reading, form formed) (Fit, bool) {
	ours := make([]float64, len(s.pictures))
	for i, outputs := range s.outputs[at] {
		p, ok := r.of(outputs)
		if !ok {
			return Fit{}, false
		}
		ours[i] = p
	}
	h := Hypothesis{Input: at.input, Exif: at.exif, Output: r.config(), Form: form.form}
	f := Fit{Hypothesis: h, Comparison: Compare(ours, form.p), Steps: h.steps(s.base), Ours: ours, Theirs: form.p}
	if s.base.Form != "" && form.form != s.base.Form {
		f.Steps++
	}
	f.Verdict = f.Comparison.Verdict(form.rounding)
	return f, true
}

// levels tries single changes, pairs, and then everything, until something fits.
func (s *search) levels(ctx context.Context) error {
	tried := map[path]bool{}
	for depth, name := range []string{"single changes", "pairs of changes", "all combinations"} {
		var list []path
		for _, p := range s.combinations(depth + 1) {
			if !tried[p] {
				tried[p] = true
				list = append(list, p)
			}
		}
		if err := s.halve(ctx, name, list); err != nil {
			return err
		}
		if best := s.best(); best.Verdict == Same {
			return nil
		}
		if s.Enough != nil && s.Enough() {
			s.finding.Stopped = true
			return nil
		}
	}
	return nil
}

// conclude runs the best on all pictures and judges them.
func (s *search) conclude(ctx context.Context) error {
	f := &s.finding
	paths := s.finalists()
	s.say("confirming the best on all pictures", len(s.pictures))
	if err := s.look(ctx, paths[1:]); err != nil {
		return err
	}
	var fits []Fit
	for _, at := range paths {
		if s.outputs[at] == nil {
			continue
		}
		for _, r := range s.readings {
			for _, form := range s.forms {
				if fit, ok := s.fit(at, r, form); ok {
					fits = append(fits, fit)
				}
			}
		}
	}
	if len(fits) == 0 {
		return errors.New("no combination could be run on all pictures")
	}
	slices.SortStableFunc(fits, func(a, b Fit) int { return cmp.Compare(a.Relative(), b.Relative()) })
	f.Tried *= len(s.readings) * len(s.forms)
	f.Alike = s.alike(fits)
	f.Best = distinct(fits)
	f.Explained = s.explains(f.Alike[0])
	return nil
}

// explains says whether a fit is near the scores, clearly nearer than the configuration, and no find by chance.
func (s *search) explains(lead Fit) bool {
	configured, tried := s.finding.Configured, s.finding.Tried
	if lead.Steps == 0 || lead.Verdict == Different || lead.noise() > fitsAt*lead.Spread ||
		chance(lead.Comparison, lead.Theirs, s.rounding(lead.Form), tried) > byChance {
		return false
	}
	times := timesNearer(lead, configured)
	return times >= fitsBetter || times >= fitsNearer && float64(len(s.seen))*nearer(lead, configured) <= byChance
}

// timesNearer compares the differences of two fits in units of their spread, without the pictures that both miss: scores of
// other files, or of another day.
func timesNearer(lead, configured Fit) float64 {
	var a, b float64
	for i := range lead.Ours {
		gap, before := math.Abs(lead.Ours[i]-lead.Theirs[i]), math.Abs(configured.Ours[i]-configured.Theirs[i])
		if gap < lead.bound() || before < configured.bound() {
			a, b = a+min(gap, lead.bound())/lead.Spread, b+min(before, configured.bound())/configured.Spread
		}
	}
	return b / a
}

// alike are the fits that cannot be told from the best, fewest changes first.
func (s *search) alike(sorted []Fit) []Fit {
	best := sorted[0]
	limit := best.alike(s.rounding(best.Form))
	var list []Fit
	for _, f := range sorted {
		if f.Relative()*best.Spread <= limit {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b Fit) int {
		return cmp.Or(cmp.Compare(a.Steps, b.Steps), cmp.Compare(s.order[path{a.Input, a.Exif}], s.order[path{b.Input, b.Exif}]))
	})
	return list
}

// bestShown is how many fits a finding lists.
const bestShown = 6

// distinct keeps the best fit of each difference: two names of the same thing fill no table.
func distinct(sorted []Fit) (list []Fit) {
	for _, f := range sorted {
		if n := len(list); n > 0 && f.Bounded-list[n-1].Bounded <= sameLeast {
			if f.Steps < list[n-1].Steps {
				list[n-1] = f
			}
			continue
		}
		if len(list) == bestShown {
			break
		}
		list = append(list, f)
	}
	return list
}

func (s *search) rounding(f Form) float64 {
	for _, form := range s.forms {
		if form.form == f {
			return form.rounding
		}
	}
	return 0
}
