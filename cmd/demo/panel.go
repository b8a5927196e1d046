package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"shaketable/cmd/demo/media"
	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

// panelPictures is few, so that both versions have been through the panel before the roll-out.
const panelPictures = 60

// panelSeed keeps the panel's pictures apart from those of the traffic.
const panelSeed = 0x70616e656c

// newPanel draws the pictures of the frozen panel into a folder and makes the runner that both versions go through.
func newPanel(ctx context.Context, dir string, line *pipeline.Line, store *redis.Store, input *pipeline.Subject, log *slog.Logger) (*pipeline.PanelRunner, error) {
	studio := media.NewStudio(panelSeed)
	var files []pipeline.PanelFile
	for i := range uint64(panelPictures) {
		fake := studio.Fake(i, fakeShare)
		data, err := studio.PNG(studio.Make(i, fake))
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, fmt.Sprintf("panel-%02d.png", i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return nil, err
		}
		files = append(files, pipeline.PanelFile{Path: path, Fake: &fake})
	}
	prober := line.Prober
	set, left, err := pipeline.LoadPanel(ctx, files, pipeline.DefaultPrepareConfig().MaxBytes, input.Detector.Input, prober.Prepare)
	if err != nil {
		return nil, err
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("%d of the panel's pictures can't be used; the first: %w", len(left), left[0])
	}
	return &pipeline.PanelRunner{Panel: set, Prober: prober, Store: store, Every: time.Minute, Owner: "demo", Now: time.Now, Log: log}, nil
}
