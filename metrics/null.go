package metrics

import (
	"fmt"
	"math"
)

// nullAlpha is the error rate of the bound that makes a null from counted trials: the chance that a healthy series is
// held against a rate below its own.
const nullAlpha = .05

// maxJudged is the highest null that leaves room for a failure rate to be noticeably worse.
const maxJudged = .9

// DefaultEpsilon is the smallest rise of a failure rate that is worth telling anybody, unless the configuration says
// otherwise. It is not the bound eps on the input of an attack.
const DefaultEpsilon = .02

// Null returns q0, the failure rate that a series may have at most, from a baseline of k failures in n trials:
//
//	q0 = max(ClopperPearsonUpper(k, n, .05), k/n + epsilon)
//
// The larger of the two pads, not their sum: padding twice hides the drops that people care about. n must be above 0
// and epsilon in [0,1). The result may be above what [Judged] accepts. Source: Podkopaev and Ramdas (2022), ICLR,
// "Tracking the risk of a deployed model", on separating harmful from benign shift.
func Null(k, n, epsilon float64) (float64, error) {
	if n == 0 {
		return 0, fmt.Errorf("null failure rate: the baseline has no trial: give it some, or an objective")
	}
	if !(epsilon >= 0 && epsilon < 1) {
		return 0, fmt.Errorf("null failure rate: epsilon %v is not in [0,1)", epsilon)
	}
	upper, err := ClopperPearsonUpper(k, n, nullAlpha)
	if err != nil {
		return 0, fmt.Errorf("null failure rate: %w", err)
	}
	return min(max(upper, k/n+epsilon), 1), nil
}

// NullObjective returns q0 = 1 - objective for a user's own objective, the share that must hold, in (0,1). An objective
// of 1 is an error: a single failure would break it, and no rate is left to test.
func NullObjective(objective float64) (float64, error) {
	if !(objective > 0 && objective < 1) {
		return 0, fmt.Errorf("objective %v is not in (0,1): give the share that must hold, such as .95", objective)
	}
	return 1 - objective, nil
}

// Judged says whether a series with this null is judged at all: 0 < q0 <= .9. Others are only shown.
func Judged(q0 float64) bool { return q0 > 0 && q0 <= maxJudged }

// Threshold returns A, the evidence at which [ESR] alarms, so that a tier of at most series series, each updated once
// per fold, raises falseAlarms false alarms in expectation over that many folds, whatever the dependence between them:
//
//	A = series * folds / falseAlarms
//
// For "F false alarms per 30 days" and a fold a minute, folds is 43200. series is the cap, not the present number, so
// that A never moves. All must be above 0, and A comes out above 1.
func Threshold(series int, folds int64, falseAlarms float64) (float64, error) {
	if series < 1 || folds < 1 || !(falseAlarms > 0) || math.IsInf(falseAlarms, 0) {
		return 0, fmt.Errorf("alarm threshold: %d series, %d folds, %v false alarms: all must be above 0", series, folds, falseAlarms)
	}
	a := float64(series) * float64(folds) / falseAlarms
	if !(a > 1) || math.IsInf(a, 0) {
		return 0, fmt.Errorf("alarm threshold: %v false alarms in %d folds of %d series is an alarm at every fold: allow fewer",
			falseAlarms, folds, series)
	}
	return a, nil
}

// ExpectedDelay returns how many trials it takes, at most about, from a change of the failure rate to q1 until [ESR], with
// the K [Alternatives] of q0, reaches a:
//
//	ln(a K) / KL(q1 || q0), KL(p||q) = p ln(p/q) + (1-p) ln((1-p)/(1-q))
//
// It is +Inf where no alternative is nearer to q1 than q0 is, so that the evidence never grows: such a drop is benign by
// choice of the alternatives. Simulated medians are .7 to 1 times as long, for the detector profits from all of its starts; a
// delay of few trials is longer by the size of a fold. q0 must be [Judged], q1 in (q0,1], a above 1.
func ExpectedDelay(q0, q1, a float64) (float64, error) {
	if !Judged(q0) || !(q1 > q0 && q1 <= 1) || !(a > 1) || math.IsInf(a, 0) {
		return 0, fmt.Errorf("expected delay: from %v to %v at threshold %v: want 0 < q0 <= %v, q0 < q1 <= 1 and a finite threshold above 1",
			q0, q1, a, maxJudged)
	}
	alternatives := Alternatives(q0)
	if growth(q0, alternatives[0], q1) <= 0 { // the nearest one grows first
		return math.Inf(1), nil
	}
	return math.Log(a*float64(len(alternatives))) / growth(q0, q1, q1), nil
}

// SmallestNoticeable returns the smallest rise of the failure rate above q0 whose [ExpectedDelay] is at most n trials,
// and false where not even a rate of 1 is noticed within n. To start from the rate of a baseline instead of its null,
// add q0 and take that rate away. Errors are those of ExpectedDelay.
func SmallestNoticeable(q0, a, n float64) (rise float64, ok bool, err error) {
	fastest, err := ExpectedDelay(q0, 1, a)
	if err != nil {
		return 0, false, fmt.Errorf("smallest noticeable rise: %w", err)
	}
	if !(fastest <= n) {
		return 0, false, nil
	}
	q1 := boundary(1, q0, func(q1 float64) bool {
		delay, err := ExpectedDelay(q0, q1, a)
		return err == nil && delay <= n
	})
	return q1 - q0, true, nil
}

// growth is the mean of ln((q/q0)^y ((1-q)/(1-q0))^(1-y)) over trials y that fail at rate q1: the evidence for q
// against q0 that one trial brings. At q = q1 it is KL(q1||q0).
func growth(q0, q, q1 float64) float64 {
	g := 0.
	if q1 > 0 {
		g += q1 * math.Log(q/q0)
	}
	if q1 < 1 {
		g += (1 - q1) * (math.Log1p(-q) - math.Log1p(-q0))
	}
	return g
}
