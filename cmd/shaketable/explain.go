package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"shaketable/pipeline"
	"shaketable/pipeline/redis"
)

func newExplainCommand() *cobra.Command {
	var flags deskFlags
	var file, group string
	cmd := &cobra.Command{
		Use:   "explain MEDIA_ID",
		Short: "Tell what became of one media: sampled or not and why, its probes, its label",
		Long: "Explain tells what became of one media: where its records lie, whether it is sampled and why, its label, and every\n" +
			"probe that is kept of it. With --file it runs the picture through the configured detectors as a probe does, now.",
		Example: "  shaketable explain clip-8812/000123 --config shaketable.yaml\n" +
			"  shaketable explain clip-8812/000123 --file 000123.jpg",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return usageError{errors.New("give one media id")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			d, err := flags.open(cmd, false)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, d.close()) }()
			e, err := newExplanation(cmd.Context(), d, args[0])
			if err != nil {
				return err
			}
			if file != "" {
				if e.picture, err = readCapped(file, d.cfg.Prepare.MaxBytes); err != nil {
					return usageError{fmt.Errorf("--file: %w", err)}
				}
			}
			e.group = group
			if err := e.tell(cmd.Context()); err != nil || file == "" {
				return err
			}
			return e.probeNow(cmd.Context(), file, cmd.ErrOrStderr())
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&file, "file", "", "the picture itself: probe it now")
	cmd.Flags().StringVar(&group, "group", "", "the group that its detection named, to find out whether it was a duplicate")
	return cmd
}

// explanation is what can be found out about one media.
type explanation struct {
	*desk
	id      string
	sampler *pipeline.Sampler
	group   string // of the detection, if it is known
	picture []byte // nil unless it was given
	kept    redis.KeptMedia
	steps   pipeline.RateSteps
	// registered are the generations of the configured detectors that workers have probed.
	registered []pipeline.Registration
	partitions int
}

// newExplanation reads what is kept.
func newExplanation(ctx context.Context, d *desk, id string) (*explanation, error) {
	key, err := d.cfg.Sample.Key(os.Getenv)
	if err != nil {
		return nil, configError{err}
	}
	e := &explanation{desk: d, id: id, sampler: pipeline.NewSampler(key)}
	if e.partitions, err = d.store.Partitions(ctx); err != nil {
		return nil, err
	}
	stored, err := d.store.Steps(ctx)
	if err != nil {
		return nil, err
	}
	e.steps = stored.Steps
	for _, name := range detectorNames(d.cfg) {
		if d.detector != "" && name != d.detector {
			continue
		}
		generations, err := d.store.Generations(ctx, name)
		if err != nil {
			return nil, err
		}
		e.registered = append(e.registered, generations...)
	}
	e.kept, err = d.store.Media(ctx, e.hidden())
	return e, err
}

// hidden is the id under which the media is in Redis.
func (e *explanation) hidden() string { return e.sampler.Hide(e.id) }
