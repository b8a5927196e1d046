package pipeline

import (
	"fmt"
	"time"
)

// MaxPanel bounds the pictures of a frozen panel: every run puts all of them through every detector, beside live traffic.
// About 200 are enough to see one picture in a hundred change its verdict.
const MaxPanel = 1000

// PanelConfig says which pictures are judged again and again, so that a change of the model can be told from a change of
// traffic. See [PanelRunner].
type PanelConfig struct {
	// Media is a folder of the user's own pictures, at most 1000, which stays as it is; "" for no panel. Default "".
	Media string `yaml:"media"`
	// Labels is a CSV file with the columns file and label (fake or real), as for evaluate; "" for none. Default "".
	Labels string `yaml:"labels"`
	// Every is the time between two runs of a generation. Default 1h.
	Every time.Duration `yaml:"every"`
}

// DefaultPanelConfig returns the defaults of [PanelConfig].
func DefaultPanelConfig() PanelConfig { return PanelConfig{Every: time.Hour} }

// Validate returns one error per fault; each begins with the key that is at fault.
func (c PanelConfig) Validate() []error {
	var es []error
	if c.Labels != "" && c.Media == "" {
		es = append(es, fmt.Errorf("labels: is given without panel.media, the folder that holds the pictures"))
	}
	if c.Every < time.Minute || c.Every > 7*24*time.Hour {
		es = append(es, fmt.Errorf("every: %v must be 1m to 168h", c.Every))
	}
	return es
}
