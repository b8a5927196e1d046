package pipeline

import (
	"fmt"
	"math"
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
	// rise and steady are what one failure and one success add to the score of a rise by .10.
	rise, steady float64
}

// judge puts the series of a generation together with its baselines. Places under the cap of a tier go by the order of
// the series, whether they have a baseline yet or not, so that nobody's place depends on when a baseline arrives.
func (m *Machine) judge(g Generation, baselines []metrics.Baseline) ([]*judged, error) {
	key := g.ID
	for _, b := range baselines {
		key += "\x00" + b.ID
	}
	if list, ok := m.memo[key]; ok {
		return list, nil
	}
	series, _ := SeriesOf(g, m.objectives)
	places := map[Tier]int{}
	list := make([]*judged, 0, len(series))
	for _, s := range series {
		j := &judged{Series: s}
		places[s.Tier]++
		if err := m.hold(j, g, baselines); err != nil {
			return nil, fmt.Errorf("series %s of %s %s: %w", s.Rule(), g.Detector, g.Version, err)
		}
		if places[s.Tier] > m.cfg.SeriesCap.Of(s.Tier) {
			j.detector, j.why = nil, fmt.Sprintf("beyond the cap of %d series", m.cfg.SeriesCap.Of(s.Tier))
		}
		list = append(list, j)
	}
	m.memo[key] = list
	return list, nil
}

// hold finds the null of a series.
func (m *Machine) hold(j *judged, g Generation, baselines []metrics.Baseline) error {
	switch {
	case j.Objective > 0:
		return m.against(j, &metrics.Baseline{Kind: metrics.Objective, ID: "objective"}, 1-j.Objective, 1-j.Objective)
	case j.Metric == MetricSkew:
		return m.against(j, &metrics.Baseline{Kind: metrics.Objective, ID: "skew.share"}, m.cfg.Skew.Share, m.cfg.Skew.Share)
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

func (m *Machine) against(j *judged, b *metrics.Baseline, was, q0 float64) error {
	j.baseline, j.was, j.q0 = b, was, q0
	if !metrics.Judged(q0) {
		j.why = fmt.Sprintf("the baseline allows %.0f failures of 100: it cannot get noticeably worse", 100*q0)
		return nil
	}
	q := min(q0+.10, (1+q0)/2)
	j.rise, j.steady = math.Log(q/q0), math.Log1p(-q)-math.Log1p(-q0)
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
		st.ESR = metrics.ESRState{}
	}
	if v, err = j.detector.Fold(&st.ESR, gained); err != nil {
		return gained, v, err
	}
	st.Gain, st.Progress = gain, v.Progress
	st.Score = max(0, st.Score+gained.K*j.rise+(gained.N-gained.K)*j.steady)
	if st.Score == 0 || st.Onset.IsZero() {
		st.Onset = mark
	}
	return gained, v, nil
}

// skip takes the gain without judging it: the figures were not those of the deployed model.
func (st *SeriesState) skip(total metrics.Trials) {
	if _, gain, err := st.Gain.Take(total); err == nil {
		st.Gain = gain
	}
}

// limit is the failure rate below which a fresh band must lie for an episode to end.
func (j *judged) limit(margin float64) float64 { return j.q0 + margin }
