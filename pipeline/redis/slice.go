package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"shaketable/pipeline"
)

// Place implements pipeline.SlicePlaces.
func (s *Store) Place(ctx context.Context, attribute, value string, limit int) (string, error) {
	if attribute == "" || strings.Contains(attribute, "=") || limit < 1 {
		return "", fmt.Errorf("redis: place %q of attribute %q: the attribute is empty or holds =, or the limit %d is under 1", value, attribute, limit)
	}
	name, err := s.lua.place.Run(ctx, s.client, []string{s.keys.registry("slices")}, attribute, value, limit, pipeline.OtherSlice).Text()
	if err != nil {
		return "", fmt.Errorf("redis: place %s: %w", pipeline.SliceName(attribute, value), err)
	}
	return name, nil
}

// Slices implements pipeline.SliceReader.
func (s *Store) Slices(ctx context.Context) ([]string, error) {
	fields, err := s.client.HKeys(ctx, s.keys.registry("slices")).Result()
	if err != nil {
		return nil, fmt.Errorf("redis: slices: %w", err)
	}
	names := slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "#") && !strings.Contains(f, "=") })
	slices.Sort(names)
	return names, nil
}
