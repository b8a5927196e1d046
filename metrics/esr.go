package metrics

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Alternatives returns the failure rates that an [ESR] against q0 looks for: q0 + .02, .05, .10, .20, .40, those below
// .99. There are at least two of them where q0 is [Judged].
func Alternatives(q0 float64) []float64 {
	var qs []float64
	for _, rise := range [...]float64{.02, .05, .10, .20, .40} {
		if q := q0 + rise; q < .99 {
			qs = append(qs, q)
		}
	}
	return qs
}

// ESR is the Shiryaev-Roberts e-detector in mixture form: it decides whether a series fails more often than q0, and
// may look after every fold. Per update with n trials and k failures, for each of K alternatives q_j,
//
//	L_j = (q_j/q0)^k ((1-q_j)/(1-q0))^(n-k),  M_j <- (M_j + 1) L_j,  alarm when mean M_j >= A, then all M_j <- 0
//
// E[L_j | past] <= 1 as long as the conditional failure rate is at most q0, wherever it wanders; so the mean of M_j
// less the number of updates is a supermartingale, and the expected number of false alarms in any number of updates is
// at most updates/A: without independence, in finite samples, summed over series whatever their dependence. An update
// without trials counts as an update. Fractional trials keep the guarantee: see [Pool].
//
// An ESR holds only the constants of a series and is safe for concurrent use; the state is the caller's. Source: Shin,
// Ramdas, Rinaldo (2023), "E-detectors: a nonparametric framework for sequential change detection", arXiv 2203.03532.
type ESR struct {
	q0        float64
	threshold float64
	failure   []float64 // ln(q_j/q0)
	success   []float64 // ln((1-q_j)/(1-q0))
	// ln A, and ln(1+A), which evidence is shown in relation to.
	logThreshold, scale float64
}

// ESRState is what an [ESR] remembers of one series. The zero value is a new start. It is small, survives JSON without
// loss, and holds logarithms, so that no number of trials overflows it.
type ESRState struct {
	// Q0 is the null that the evidence was gathered against; 0 before the first update.
	Q0 float64 `json:"q0"`
	// Evidence holds ln(1 + M_j) per alternative: 0 at the start and after an alarm.
	Evidence []float64 `json:"evidence"`
	// Updates and Trials count since the start or the last alarm.
	Updates int64  `json:"updates"`
	Trials  Trials `json:"trials"`
	// Alarms counts since the start.
	Alarms int64 `json:"alarms"`
}

// Verdict is what an update says. Both figures are from before the reset that an alarm brings.
type Verdict struct {
	Alarm bool `json:"alarm"`
	// LogM is ln of the mean of M_j: compare with ln A. It is finite.
	LogM float64 `json:"log_m"`
	// Progress is ln(1+M)/ln(1+A): 0 without evidence, 1 at the alarm, and never above 1.
	Progress float64 `json:"progress"`
}

// NewESR returns the detector of failure rates above q0 that alarms at the given threshold A (see [Threshold]), with
// equal weights on the alternatives, usually [Alternatives](q0). q0 must be [Judged], A a finite number above 1, the
// alternatives in (q0,1), and at least one.
func NewESR(q0 float64, alternatives []float64, threshold float64) (*ESR, error) {
	if !Judged(q0) {
		return nil, fmt.Errorf("new e-sr: null failure rate %v is not in (0,%v]: show the series, do not judge it", q0, maxJudged)
	}
	if !(threshold > 1) || math.IsInf(threshold, 0) {
		return nil, fmt.Errorf("new e-sr: threshold %v is not a finite number above 1", threshold)
	}
	if len(alternatives) == 0 {
		return nil, errors.New("new e-sr: no alternatives: use Alternatives(q0)")
	}
	e := &ESR{q0: q0, threshold: threshold, logThreshold: math.Log(threshold), scale: math.Log1p(threshold)}
	for _, q := range alternatives {
		if !(q > q0 && q < 1) {
			return nil, fmt.Errorf("new e-sr: alternative %v is not in (%v,1)", q, q0)
		}
		e.failure = append(e.failure, math.Log(q/q0))
		e.success = append(e.success, math.Log1p(-q)-math.Log1p(-q0))
	}
	return e, nil
}

// Q0 returns the failure rate that the series may have at most.
func (e *ESR) Q0() float64 { return e.q0 }

// Threshold returns A.
func (e *ESR) Threshold() float64 { return e.threshold }

// Update folds what the series gained since the last update into its state: see [Gain]. It returns the next state and
// leaves the given one as it was, so that a caller who cannot store the next may try again. A state of another null or
// of other alternatives, and impossible trials, are errors.
func (e *ESR) Update(state ESRState, gained Trials) (ESRState, Verdict, error) {
	next := state
	next.Evidence = slices.Clone(state.Evidence)
	v, err := e.Fold(&next, gained)
	if err != nil {
		return state, Verdict{}, err
	}
	return next, v, nil
}

// Fold is [ESR.Update] in place: it changes state, which must be the caller's alone, and allocates nothing but on the first
// update. After an error the state is as it was.
func (e *ESR) Fold(state *ESRState, gained Trials) (Verdict, error) {
	if err := gained.Validate(); err != nil {
		return Verdict{}, fmt.Errorf("e-sr update: gained %w", err)
	}
	if err := e.accepts(*state); err != nil {
		return Verdict{}, err
	}
	if state.Evidence == nil {
		state.Evidence = make([]float64, len(e.failure))
	}
	failed, passed := gained.K, max(gained.N-gained.K, 0)
	for j := range state.Evidence {
		state.Evidence[j] += failed*e.failure[j] + passed*e.success[j]
	}
	return e.conclude(state, gained), nil
}

// conclude turns ln(1 + M_j) + ln L_j into the ln(1 + M_j) after the update, counts it, and resets after an alarm.
func (e *ESR) conclude(state *ESRState, gained Trials) Verdict {
	state.Q0 = e.q0
	state.Updates++
	state.Trials = state.Trials.Plus(gained)
	v := e.advance(state.Evidence)
	if v.Alarm {
		clear(state.Evidence)
		state.Updates, state.Trials = 0, Trials{}
		state.Alarms++
	}
	return v
}

// advance turns ln M_j into ln(1 + M_j), and judges the mean of M_j on the way.
func (e *ESR) advance(evidence []float64) Verdict {
	top := slices.Max(evidence)
	sum, scale := 0., math.Exp(min(top, maxExponent))
	for j, logM := range evidence {
		relative := math.Exp(logM - top)
		sum += relative
		if top < maxExponent {
			evidence[j] = math.Log1p(relative * scale)
		} else {
			evidence[j] = logOnePlusExp(logM)
		}
	}
	v := Verdict{LogM: top + math.Log(sum/float64(len(evidence)))}
	v.Alarm = v.LogM >= e.logThreshold
	v.Progress = min(logOnePlusExp(v.LogM)/e.scale, 1)
	if v.Alarm {
		v.Progress = 1
	}
	return v
}

// maxExponent is well below ln of the largest float64.
const maxExponent = 700

func (e *ESR) accepts(state ESRState) error {
	if state.Evidence == nil && state.Updates == 0 {
		return nil
	}
	if state.Q0 != e.q0 || len(state.Evidence) != len(e.failure) {
		return fmt.Errorf("e-sr update: the state is of null %v with %d alternatives, the detector of %v with %d: start with a zero state",
			state.Q0, len(state.Evidence), e.q0, len(e.failure))
	}
	for _, s := range state.Evidence {
		if !(s >= 0) || math.IsInf(s, 0) {
			return fmt.Errorf("e-sr update: evidence %v in the state is not a finite number >= 0: start with a zero state", s)
		}
	}
	return nil
}

// logOnePlusExp is ln(1 + exp(x)) without leaving the range of float64.
func logOnePlusExp(x float64) float64 {
	return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}
