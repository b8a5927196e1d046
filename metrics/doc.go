// Package metrics is the arithmetic of shaketable: how probes become figures, how sure a figure is, and when the
// figures of a series have become worse than its baseline allows.
//
//	p, p'  ─► Ticks ─► Histogram ─► Count          what is shown: RR(b), RRStrict(b), RASelf, flips, the curve
//	                       │           └─► Wilson, ClopperPearson, ConfidenceSequence, DKW: how sure it is
//	                       └─► Trials ─► Gain ─► ESR.Update ─► Verdict     what decides: one update per fold
//	                                              ▲
//	                      Baseline ─► Null ───────┘                        what it is held against
//
// Beside them stand figures of one finished evaluation, which are reported and never judged: [Calibration], [ECE], [Brier],
// [Credibility], [Ambiguous], [Disagreement], [WorstShare], [ConformalRadius], [RankStability]; and, for media sampled at
// unequal rates, [Hajek] and [ESR.FoldTempered].
//
// Everything here is a pure function of its arguments, or a small value that its owner stores: no input or output, no
// clock, no randomness, no knowledge of streams. On one architecture the same arguments give the same bits, so a replay
// gives the same alarms.
//
// A trial is one conclusive probe of one series; a failure is the event that the series counts (decision changed,
// change above the tolerance, decision unlike the label). Counts that feed a statistic are float64 because the failure
// count of a family is a mean over its variants ([Pool]); whole numbers are exact up to 2^53.
package metrics
