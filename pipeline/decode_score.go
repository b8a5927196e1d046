package pipeline

import (
	"fmt"
	"math"
)

// scoring is a ScoreConfig with its defaults filled in.
type scoring struct {
	logit bool
	real  bool
	scale float64
}

func newScoring(c ScoreConfig) scoring {
	s := scoring{logit: c.Kind == "logit", real: c.Meaning == "real", scale: c.Scale}
	if s.scale == 0 {
		s.scale = 1
		if c.Kind == "percent" {
			s.scale = 100
		}
	}
	return s
}

// slack is how far a probability may lie outside [0,1]: a softmax in 32 bits rounds to 1.0000001.
const slack = 1e-6

// probability returns P(fake) in [0,1]: s = score/scale, through the logistic function 1/(1+exp(-s)) if it is a logit,
// and 1 - p if the score speaks for real.
func (s scoring) probability(score float64) (float64, error) {
	p := score / s.scale
	if s.logit {
		p = 1 / (1 + math.Exp(-p))
	}
	if !(p >= -slack && p <= 1+slack) { // also NaN
		return 0, fmt.Errorf("%v is no probability after division by %v; decode.score says what a score is", score, s.scale)
	}
	p = min(max(p, 0), 1)
	if s.real {
		p = 1 - p
	}
	return p, nil
}
