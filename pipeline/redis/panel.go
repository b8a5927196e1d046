package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"shaketable/pipeline"
)

// panelLife is how long the runs of a generation are kept after the last: a roll-back may return to it.
const panelLife = 60 * 24 * time.Hour

var _ pipeline.PanelStore = (*Store)(nil)

// SavePanel implements pipeline.PanelStore.
func (s *Store) SavePanel(ctx context.Context, detector string, run pipeline.PanelRun) (replaced bool, err error) {
	if detector == "" || run.Panel == "" || run.At.IsZero() {
		return false, fmt.Errorf("redis: panel: detector %q, panel %q, at %s: all three are needed", detector, run.Panel, run.At)
	}
	if err := generation(run.Generation); err != nil {
		return false, fmt.Errorf("redis: panel of %s: %w", detector, err)
	}
	body, err := json.Marshal(run)
	if err != nil {
		return false, fmt.Errorf("redis: panel of %s: %w", detector, err)
	}
	keys := []string{s.keys.detector(detector, "panel:"+run.Generation)}
	verdict, err := s.lua.panel.Run(ctx, s.client, keys, run.Panel, body, run.At.Add(panelLife).UnixMilli()).Text()
	if err != nil {
		return false, fmt.Errorf("redis: panel of %s: %w", detector, err)
	}
	return verdict == "REPLACED", nil
}

// Panels implements pipeline.PanelReader: the runs of every registered generation that has some.
func (s *Store) Panels(ctx context.Context, detector string) (map[string]pipeline.PanelRuns, error) {
	generations, err := s.Generations(ctx, detector)
	if err != nil {
		return nil, fmt.Errorf("redis: panels of %s: %w", detector, err)
	}
	pipe := s.client.Pipeline()
	for _, g := range generations {
		pipe.HMGet(ctx, s.keys.detector(detector, "panel:"+g.ID), "first", "last")
	}
	replies, err := collect(ctx, pipe)
	if err != nil {
		return nil, fmt.Errorf("redis: panels of %s: %w", detector, err)
	}
	found := map[string]pipeline.PanelRuns{}
	for i, r := range replies {
		runs, ok, err := panelRuns(r)
		if err != nil {
			return nil, fmt.Errorf("redis: panels of %s: generation %s: %w", detector, generations[i].ID, err)
		}
		if ok {
			found[generations[i].ID] = runs
		}
	}
	return found, nil
}

// panelRuns reads the first and the last run; ok is false if there is none.
func panelRuns(r goredis.Cmder) (runs pipeline.PanelRuns, ok bool, err error) {
	fields, err := sliceOf(r)
	if err != nil || len(fields) != 2 || fields[0] == nil || fields[1] == nil {
		return runs, false, err
	}
	if err := json.Unmarshal([]byte(text(fields[0])), &runs.First); err != nil {
		return runs, false, fmt.Errorf("first run: %w", err)
	}
	if err := json.Unmarshal([]byte(text(fields[1])), &runs.Last); err != nil {
		return runs, false, fmt.Errorf("last run: %w", err)
	}
	return runs, true, nil
}
