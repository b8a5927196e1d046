package main

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"shaketable/pipeline"
)

// panel judges the frozen panel again and again, beside live traffic, if the configuration names one. The function that it
// returns ends that, and must be called before the models are closed.
func (s *service) panel(ctx context.Context, prober *pipeline.Prober, subjects []*pipeline.Subject) (stop func()) {
	if s.cfg.Panel.Media == "" {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	log := s.log.With("part", "panel")
	var running sync.WaitGroup
	running.Go(func() {
		set, err := s.loadPanel(ctx, prober, subjects[0].Detector)
		if err != nil {
			if ctx.Err() == nil {
				log.Warn("there is no panel: what changes cannot be told apart as model or traffic; live probing goes on", "error", err)
			}
			return
		}
		log.Info("panel is ready", "pictures", set.Len(), "panel", set.ID[:16], "every", s.cfg.Panel.Every)
		runner := &pipeline.PanelRunner{Panel: set, Prober: prober, Store: s.store, Every: s.cfg.Panel.Every, Owner: s.owner, Now: s.now, Log: log}
		runner.Run(ctx, subjects)
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// loadPanel reads the pictures and their labels. One that can't be used is named and left out.
func (s *service) loadPanel(ctx context.Context, prober *pipeline.Prober, d pipeline.Detector) (*pipeline.Panel, error) {
	files, err := panelFiles(s.cfg.Panel)
	if err != nil {
		return nil, err
	}
	set, left, err := pipeline.LoadPanel(ctx, files, s.cfg.Prepare.MaxBytes, d.Input, prober.Prepare)
	for _, why := range left {
		s.log.Warn("a picture of the panel is left out", "part", "panel", "error", why)
	}
	return set, err
}

// panelFiles lists the pictures of the folder, with their labels if there are any; none if no folder is named.
func panelFiles(c pipeline.PanelConfig) ([]pipeline.PanelFile, error) {
	if c.Media == "" {
		return nil, nil
	}
	pictures, err := listMedia(c.Media)
	if err != nil {
		return nil, fmt.Errorf("panel.media: %w", err)
	}
	if c.Labels != "" {
		if _, err := readLabels(c.Labels, pictures); err != nil {
			return nil, fmt.Errorf("panel.labels: %w", err)
		}
	}
	files := make([]pipeline.PanelFile, len(pictures))
	for i, p := range pictures {
		files[i] = pipeline.PanelFile{Path: filepath.Join(c.Media, p.name), Fake: p.fake}
	}
	return files, nil
}
