package report

import (
	"fmt"
	"math"
)

// sentence says in one sentence what a detector is worth under the suite, or under attack if there is no suite.
func (s *subject) sentence() string {
	weak, ok := s.weakest()
	if !ok {
		return s.attackedSentence()
	}
	n := len(s.naturals())
	over := words(weak.Name)
	if n > 1 {
		over = fmt.Sprintf("%d kinds of ordinary handling", n)
	}
	joint := "and"
	if s.RA.Value-s.RR.Value >= .1 {
		joint = "but only"
	}
	text := fmt.Sprintf("On %s, over %s, %s verdicts hold (%s), %s %s probabilities stay within .05 (%s)", plural(s.Pictures, "1 picture", "%d pictures"),
		over, count(s.RA.Value), band(s.RA), joint, count(s.RR.Value), band(s.RR))
	switch {
	case n < 2:
	case weak.RR.Value >= 1:
		text += "; no kind moves any of them"
	default:
		text += fmt.Sprintf("; it is weakest under %s, where %s verdicts hold (%s) and %s probabilities stay (%s)", words(weak.Name),
			count(weak.RA.Value), band(weak.RA), count(weak.RR.Value), band(weak.RR))
	}
	return text + "."
}

// attackedSentence names the attack that turns most verdicts.
func (s *subject) attackedSentence() string {
	var worst level
	name := ""
	for _, f := range s.attacks() {
		for _, l := range f.Levels {
			if l.RA.OK() && (name == "" || l.RA.Value < worst.RA.Value) {
				worst, name = l, f.Name
			}
		}
	}
	if name == "" {
		return "Nothing that was asked for could be run on these pictures."
	}
	f := worst.RA.failed()
	return fmt.Sprintf("On %s, the strongest attack, %s (%s), turns %s verdicts (%s).", plural(int(math.Round(f.N)), "1 picture", "%d pictures"), words(name),
		worst.Parameter, count(f.Value), band(f))
}
