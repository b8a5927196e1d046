package inspect

import (
	"fmt"

	"shaketable/perturb"
)

// Certainty is how sure a line is.
type Certainty string

// How sure a line is.
const (
	Found   Certainty = "found"
	Guessed Certainty = "guessed"
	Verify  Certainty = "verify" // no file can tell, and comparing scores does
	Ask     Certainty = "please say"
	Warning Certainty = "warning"
)

// Line is one thing that was found out.
type Line struct {
	Topic     string
	Certainty Certainty
	Text      string
	Why       string
}

// Size is that of the input in pixels.
type Size struct{ Width, Height int }

// Settled is the contract of a detector as far as the file tells it.
type Settled struct {
	Input  perturb.Input
	Output perturb.Output
	Lines  []Line
}

// Line returns the line about a topic that has one.
func (s Settled) Line(topic string) Line {
	for _, l := range s.Lines {
		if l.Topic == topic {
			return l
		}
	}
	return Line{}
}

// Asks says whether something must be said before the detector can run.
func (s Settled) Asks() bool {
	for _, l := range s.Lines {
		if l.Certainty == Ask {
			return true
		}
	}
	return false
}

// settling is a Settled under way.
type settling struct {
	model *Model
	given Size
	in    perturb.Input
	out   perturb.Output
	lines []Line
	fault error
}

func (s *settling) add(topic string, c Certainty, text, why string) {
	s.lines = append(s.lines, Line{topic, c, text, why})
}

func (s *settling) refuse(err error) {
	if s.fault == nil {
		s.fault = err
	}
}

// Settle decides everything in front of the model. Given is the size that the user says, or nothing. What the output means is
// settled by [Model.Read], from what the model returns.
func (m *Model) Settle(given Size) (Settled, error) {
	s := &settling{model: m, given: given}
	s.in = perturb.Input{Name: m.Input.Name, Color: "RGB", Scale: "unit", Std: [3]float32{1, 1, 1},
		Resize: perturb.Resize{Method: "bilinear", Fit: "stretch"}}
	shape := m.Shape()
	s.in.Layout = shape.Layouts[0]
	if len(shape.Layouts) == 1 {
		s.add("layout", Found, s.in.Layout, shape.LayoutWhy)
	} else {
		s.add("layout", Guessed, s.in.Layout, shape.LayoutWhy+"; PyTorch exports this one, and verify tries the other")
	}
	s.size(shape, s.in.Layout)
	if shape.Batch > 1 {
		s.add("batch", Warning, fmt.Sprintf("fixed at %d", shape.Batch), "a single picture costs as much as that many: export it again with an open batch (dynamic_axes)")
	}
	if m.Half {
		s.add("precision", Warning, "half", "scores of other devices and batches differ in the third digit; verify calls that close, not the same")
	}
	s.levels(shape)
	s.add("colour order", Verify, "RGB", "no file holds it; OpenCV services often have BGR")
	s.add("resize", Verify, "bilinear, stretch", "it happens before the model; verify compares with your service")
	return Settled{Input: s.in, Output: s.out, Lines: s.lines}, s.fault
}
