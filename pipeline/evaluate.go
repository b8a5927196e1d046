package pipeline

import (
	"fmt"
	"math"
	"time"

	"shaketable/metrics"
)

// Evaluation counts the probes of a folder offline, with the readings and counters of the record path, so that its
// figures are those that live traffic is held against.
//
// In: the probabilities of one picture after another, with labels if there are any. Out: the rows of a table, and a
// baseline. Invariant: the order in which the pictures come moves no count.
type Evaluation struct {
	generation Generation
	meter      *Meter
	totals     Counts
	moved      []float64 // by variant: the sum of |p' - p|
}

// EvaluationRow are the figures of one variant; the first row of an evaluation is the clean picture.
type EvaluationRow struct {
	Family    string
	Severity  int
	Parameter string
	N         int64 // pictures in which it ran; the figures are NaN where that is 0
	RASelf    float64
	RALabel   float64 // NaN without labels
	// RR by tolerance, in the order of the generation's edges.
	RR []float64
	// MeanAbs is the mean of |p' - p|.
	MeanAbs float64
}

// NewEvaluation begins with nothing counted.
func NewEvaluation(g Generation) (*Evaluation, error) {
	meter, err := NewMeter(g)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return &Evaluation{generation: g, meter: meter, totals: Counts{}, moved: make([]float64, len(g.Variants))}, nil
}

// Add counts one picture: its probabilities as [Model.Probe] returns them, followed by those of the attacks, NaN for what
// did not run; and whether it is fake, or nil if nobody knows.
func (e *Evaluation) Add(probs []float64, fake *bool) error {
	if len(probs) == 0 {
		return fmt.Errorf("evaluate: a picture without probabilities")
	}
	reading, err := e.meter.Measure(probs, probs[0]) // there is no deployed score offline, hence no skew
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	cells := map[Cell]Counts{}
	e.meter.Count(reading, Buckets{}, cells)
	for field, n := range cells[Cell{Generation: e.generation.ID, Kind: Total}] {
		e.totals[field] += n
	}
	for i, c := range reading.Changes {
		if c.Ran() {
			e.moved[i] += math.Abs(c.Perturbed - reading.Clean)
		}
	}
	if fake == nil {
		return nil
	}
	for i, decided := range reading.Decisions {
		if decided == NotRun {
			continue
		}
		e.totals[FieldLabelled(i)]++
		if (decided == '1') == *fake {
			e.totals[FieldCorrect(i)]++
		}
	}
	return nil
}

// N returns how many pictures were counted.
func (e *Evaluation) N() int64 { return e.totals[FieldProbes] }

// Generation returns the generation that is evaluated.
func (e *Evaluation) Generation() Generation { return e.generation }

// Rows returns the clean row and one row per variant. It needs at least one picture.
func (e *Evaluation) Rows() []EvaluationRow {
	t := e.tally()
	clean := EvaluationRow{Family: "none", N: e.N(), RASelf: 1, RALabel: held(t.variants[0].trials(MetricRALabel, -1))}
	for range e.generation.Edges {
		clean.RR = append(clean.RR, 1)
	}
	rows := []EvaluationRow{clean}
	for i, v := range e.generation.Variants {
		counts := &t.variants[i+1]
		row := EvaluationRow{Family: v.Family, Severity: v.Severity, Parameter: v.Parameter, N: counts.probes(),
			RASelf: held(counts.trials(MetricRASelf, -1)), RALabel: held(counts.trials(MetricRALabel, -1)),
			MeanAbs: e.moved[i] / float64(counts.probes())}
		for j := range e.generation.Edges {
			row.RR = append(row.RR, held(counts.trials(MetricRR, j)))
		}
		rows = append(rows, row)
	}
	return rows
}

// SeriesResult is a series of an evaluation with its trials.
type SeriesResult struct {
	Series
	metrics.Trials
}

// Held returns the share of probes that did not fail, NaN if there is none.
func (s SeriesResult) Held() float64 { return held(s.Trials) }

// Results returns every series that can be judged and has trials: of the detector, its families and its variants.
func (e *Evaluation) Results() []SeriesResult {
	t := e.tally()
	list, _ := SeriesOf(e.generation, nil)
	var results []SeriesResult
	for _, s := range list {
		if trials := t.trials(s); s.Metric != MetricSkew && trials.N > 0 {
			results = append(results, SeriesResult{s, trials})
		}
	}
	return results
}

// Baseline freezes the counts as a baseline of kind file, with every variant, family and the detector. Provenance is
// added to what [FreezeBaseline] says by itself. An evaluation without pictures is an error.
func (e *Evaluation) Baseline(at time.Time, reason string, provenance map[string]string) (metrics.Baseline, error) {
	b, err := FreezeBaseline(metrics.File, e.generation, e.totals, at, reason, nil)
	if err != nil {
		return metrics.Baseline{}, fmt.Errorf("evaluate: detector %s: %w", e.generation.Detector, err)
	}
	for _, r := range e.Results() {
		b.Series[r.Name()] = metrics.Reference{N: r.N, K: r.K}
	}
	for key, value := range provenance {
		b.Provenance[key] = value
	}
	return b, nil
}

func (e *Evaluation) tally() *tally {
	t := newTally(e.generation, 0)
	t.add(e.totals)
	return t
}

// held is the share that did not fail: NaN without trials.
func held(t metrics.Trials) float64 {
	rate, ok := t.Rate()
	if !ok {
		return math.NaN()
	}
	return 1 - rate
}
