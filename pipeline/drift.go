package pipeline

import (
	"fmt"
	"math"
	"strings"
	"time"

	"shaketable/metrics"
)

// judged is a series with what it is held against.
//
// In: what the running total of the series gained since the last fold. Out: whether the evidence that it fails more often
// than its baseline allows has reached the alarm level. Invariant: a gain is folded once, whatever is rolled back or
// taken over.
type judged struct {
	Series
	baseline *metrics.Baseline // nil: none yet
	was      float64           // failure rate of the baseline
	basis    float64           // trials that the baseline rests on; 0 for an objective
	q0       float64           // failure rate that it allows
	detector *metrics.ESR      // nil: shown, not judged
	why      string            // why it is not judged
	// rise and steady are what one failure and one success add to the score of each rise.
	rise, steady []float64
}

// judge puts the series of a generation together with its baselines. Places under the cap of a tier go by the order of
// the series, whether they have a baseline yet or not, so that nobody's place depends on when a baseline arrives.
func (m *Machine) judge(g Generation, baselines []metrics.Baseline, slices []string, labels *LabelState) ([]*judged, error) {
	key := g.ID
	for _, b := range baselines {
		key += "\x00" + b.ID
	}
	if labels.Baseline != nil {
		key += fmt.Sprintf("\x00%v", *labels.Baseline)
	}
	key += "\x01" + strings.Join(slices, "\x00")
	if list, ok := m.memo[key]; ok {
		return list, nil
	}
	series, _ := SeriesOf(g, m.objectives, slices...)
	places := map[Tier]int{}
	list := make([]*judged, 0, len(series))
	for _, s := range series {
		j := &judged{Series: s}
		places[s.Tier]++
		if err := m.hold(j, g, baselines, labels); err != nil {
			return nil, fmt.Errorf("series %s of %s %s: %w", s.Rule(), g.Detector, g.Version, err)
		}
		if places[s.Tier] > m.cfg.SeriesCap.Of(s.Tier) {
			j.detector, j.why = nil, fmt.Sprintf("beyond the cap of %d series", m.cfg.SeriesCap.Of(s.Tier))
		}
		list = append(list, j)
	}
	if len(m.memo) >= remembered { // every baseline makes another list: what is used comes back at the next fold
		clear(m.memo)
	}
	m.memo[key] = list
	return list, nil
}

// hold finds the null of a series.
func (m *Machine) hold(j *judged, g Generation, baselines []metrics.Baseline, labels *LabelState) error {
	switch {
	case j.Objective > 0:
		return m.against(j, &metrics.Baseline{Kind: metrics.Objective, ID: "objective"}, 1-j.Objective, 1-j.Objective)
	case j.Metric == MetricSkew:
		return m.against(j, &metrics.Baseline{Kind: metrics.Objective, ID: "skew.share"}, m.cfg.Skew.Share, m.cfg.Skew.Share)
	case j.Metric == MetricCoverage:
		return m.holdCoverage(j, labels)
	}
	for i := range baselines {
		t, ok := referenceOf(&baselines[i], g, j.Series)
		if !ok || t.N <= 0 {
			continue
		}
		q0, err := metrics.Null(t.K, t.N, m.cfg.Epsilon)
		if err != nil {
			return err
		}
		j.basis = t.N
		return m.against(j, &baselines[i], t.K/t.N, q0)
	}
	j.why = "no baseline yet"
	return nil
}

// holdCoverage holds the share without a label against that of the first probes that were old enough.
func (m *Machine) holdCoverage(j *judged, l *LabelState) error {
	first := l.Baseline
	if first == nil {
		j.why = "no baseline yet"
		if l.Labels == 0 {
			j.why = "no label has come yet"
		}
		return nil
	}
	was := first.K / first.N
	q0, block, err := coverageNull(*first, m.cfg.Epsilon)
	if err != nil {
		return err
	}
	j.basis = first.N
	b := &metrics.Baseline{Kind: metrics.BurnIn, ID: "label_coverage-" + l.Frozen.UTC().Format(time.RFC3339),
		Reason: "the first labels, until " + stamp(l.Frozen)}
	if block == 0 {
		j.baseline, j.was, j.q0 = b, was, q0
		j.why = fmt.Sprintf("only %.0f of the first %.0f pictures got a label: too few to notice that they stop", first.N-first.K, first.N)
		return nil
	}
	return m.against(j, b, was, q0)
}

func (m *Machine) against(j *judged, b *metrics.Baseline, was, q0 float64) error {
	j.baseline, j.was, j.q0 = b, was, q0
	if !metrics.Judged(q0) {
		j.why = fmt.Sprintf("the baseline allows %.0f failures of 100: it cannot get noticeably worse", 100*q0)
		return nil
	}
	for _, q := range metrics.Alternatives(q0) {
		j.rise, j.steady = append(j.rise, math.Log(q/q0)), append(j.steady, math.Log1p(-q)-math.Log1p(-q0))
	}
	var err error
	j.detector, err = metrics.NewESR(q0, metrics.Alternatives(q0), m.level[j.Tier])
	return err
}

// fold takes what the series gained and updates its evidence. mark is the event time of the fold.
func (j *judged) fold(st *SeriesState, total metrics.Trials, mark time.Time) (gained metrics.Trials, v metrics.Verdict, err error) {
	gained, gain, err := st.Gain.Take(total)
	if err != nil {
		return gained, v, err
	}
	if st.ESR.Q0 != j.q0 { // another baseline or another epsilon: evidence against the old null says nothing
		st.ESR, st.Scores = metrics.ESRState{}, nil
	}
	if v, err = j.detector.Fold(&st.ESR, gained); err != nil {
		return gained, v, err
	}
	st.Gain, st.Progress = gain, v.Progress
	j.date(st, gained, mark)
	return gained, v, nil
}

// date moves the estimate of when a change began: the onset of the rise that explains best what came since, by the maximum
// of the likelihood over rises and onsets. A fixed rise would lose sight of a smaller one between two unlucky hours. With
// ln likelihood ratios l of a fold, S <- max(0, S + l) for each rise. Source: Page (1954), Biometrika 41:100; Hinkley
// (1970), Biometrika 57:1.
func (j *judged) date(st *SeriesState, gained metrics.Trials, mark time.Time) {
	before := mark.Unix()
	switch {
	case st.Last != 0:
		before = st.Last
	case !st.Onset.IsZero():
		before = st.Onset.Unix()
	}
	st.Last = mark.Unix()
	if len(st.Scores) != len(j.rise) || len(st.Onsets) != len(j.rise) {
		st.Scores, st.Onsets = make([]float64, len(j.rise)), make([]int64, len(j.rise))
	}
	st.Score, st.Onset = 0, mark
	for i := range st.Scores {
		next := st.Scores[i] + gained.K*j.rise[i] + (gained.N-gained.K)*j.steady[i]
		switch {
		case next <= 0:
			next, st.Onsets[i] = 0, 0
		case st.Onsets[i] == 0:
			st.Onsets[i] = before
		}
		if st.Scores[i] = next; next > st.Score {
			st.Score, st.Onset = next, time.Unix(st.Onsets[i], 0).UTC()
		}
	}
}

// skip takes the gain without judging it: the figures were not those of the deployed model.
func (st *SeriesState) skip(total metrics.Trials) {
	if _, gain, err := st.Gain.Take(total); err == nil {
		st.Gain = gain
	}
}

// limit is the failure rate below which a fresh band must lie for an episode to end.
func (j *judged) limit(margin float64) float64 { return j.q0 + margin }
