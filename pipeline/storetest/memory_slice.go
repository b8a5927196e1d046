package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"shaketable/pipeline"
)

// Place implements pipeline.SlicePlaces.
func (m *Memory) Place(_ context.Context, attribute, value string, limit int) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if attribute == "" || strings.Contains(attribute, "=") || limit < 1 {
		return "", errors.New("memory: place: attribute and limit are needed")
	}
	others := pipeline.SliceName(attribute, pipeline.OtherSlice)
	taken := 0
	for name := range m.slices {
		if of, _ := pipeline.SplitSlice(name); of == attribute && name != others {
			taken++
		}
	}
	name := pipeline.SliceName(attribute, value)
	if value == pipeline.OtherSlice || !m.slices[name] && taken >= limit {
		name = others
	}
	m.slices[name] = true
	return name, nil
}

// Slices implements pipeline.SliceReader.
func (m *Memory) Slices(context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.slices)), nil
}
