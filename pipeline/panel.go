package pipeline

import (
	"context"
	"encoding/json"
	"math"
	"time"
)

// PanelRun is the frozen panel, a set of the user's own pictures that never changes, as one generation judged it at one
// time. Because the pictures stay the same, whatever moves between two runs is the model, the driver or the runtime, never
// the traffic.
type PanelRun struct {
	Generation string    `json:"generation"`
	Version    string    `json:"version"`
	At         time.Time `json:"at"` // wall clock
	// Panel identifies the set of pictures: only runs of one panel are compared.
	Panel string `json:"panel"`
	// Threshold on p of the detector that ran: two versions may have two.
	Threshold float64 `json:"threshold"`
	// Variants names what Probs holds behind the clean probability, "jpeg q=75".
	Variants []string     `json:"variants"`
	Media    []PanelMedia `json:"media"` // sorted by Name
}

// PanelMedia is one picture of a run.
type PanelMedia struct {
	Name string // first 16 hex digits of the SHA-256 of the file
	// Fake is its label; nil without one.
	Fake *bool
	// Probs are p and p' of every variant; NaN for a variant that did not run. Empty if the picture could not be judged.
	Probs []float64
}

// panelMediaJSON is the stored form: JSON has no NaN, so what did not run is null.
type panelMediaJSON struct {
	Name  string     `json:"name"`
	Fake  *bool      `json:"fake,omitempty"`
	Probs []*float64 `json:"probs"`
}

// MarshalJSON writes null for a variant that did not run.
func (m PanelMedia) MarshalJSON() ([]byte, error) {
	out := panelMediaJSON{Name: m.Name, Fake: m.Fake, Probs: make([]*float64, len(m.Probs))}
	for i := range m.Probs {
		if !math.IsNaN(m.Probs[i]) {
			out.Probs[i] = &m.Probs[i]
		}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what [PanelMedia.MarshalJSON] wrote.
func (m *PanelMedia) UnmarshalJSON(data []byte) error {
	var in panelMediaJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*m = PanelMedia{Name: in.Name, Fake: in.Fake, Probs: make([]float64, len(in.Probs))}
	for i, p := range in.Probs {
		m.Probs[i] = math.NaN()
		if p != nil {
			m.Probs[i] = *p
		}
	}
	return nil
}

// PanelRuns are the first and the last run of one generation; equal after the first.
type PanelRuns struct {
	First PanelRun `json:"first"`
	Last  PanelRun `json:"last"`
}

// PanelReader returns what panels the store holds of a detector, by generation.
type PanelReader interface {
	Panels(ctx context.Context, detector string) (map[string]PanelRuns, error)
}
