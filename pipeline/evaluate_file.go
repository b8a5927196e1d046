package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"shaketable/metrics"
)

// A file of baselines holds a JSON list with one baseline per detector that was evaluated.

// FormatBaselines returns the text of such a file.
func FormatBaselines(list []metrics.Baseline) ([]byte, error) {
	for _, b := range list {
		if err := b.Validate(); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("baselines: %w", err)
	}
	return append(text, '\n'), nil
}

// ParseBaselines reads such a file, or one with a single baseline. Unknown fields are errors.
func ParseBaselines(data []byte) ([]metrics.Baseline, error) {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("[")) {
		b, err := metrics.ParseBaseline(data)
		if err != nil {
			return nil, err
		}
		return []metrics.Baseline{b}, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("parsing baselines: %w", err)
	}
	if len(raw) == 0 {
		return nil, errors.New("parsing baselines: the list is empty: evaluate at least one detector")
	}
	list := make([]metrics.Baseline, len(raw))
	for i, text := range raw {
		var err error
		if list[i], err = metrics.ParseBaseline(text); err != nil {
			return nil, fmt.Errorf("baselines[%d]: %w", i, err)
		}
	}
	return list, nil
}
