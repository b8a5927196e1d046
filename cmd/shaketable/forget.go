package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"shaketable/pipeline"
)

func newForgetCommand() *cobra.Command {
	var flags deskFlags
	cmd := &cobra.Command{
		Use:   "forget MEDIA_ID",
		Short: "Delete what is kept of one media: its probes, its label, and examples that show it",
		Long: "Forget deletes from Redis what is kept of one media and says what that was. Counters stay: they are sums in which no\n" +
			"media can be told apart. What Kafka holds goes when its retention ends; delete or overwrite it there first, or a worker\n" +
			"that reads it again keeps it again.",
		Example: "  shaketable forget clip-8812/000123 --config shaketable.yaml",
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
			return d.forget(cmd, args[0])
		},
	}
	cmd.Flags().StringVar(&flags.file, "config", defaultConfigFile, "configuration file")
	return cmd
}

// forget deletes, looks again and reports. What is still there afterwards is an error: a worker that reads the media's
// records at the same time writes them anew.
func (d *desk) forget(cmd *cobra.Command, id string) error {
	key, err := d.cfg.Sample.Key(os.Getenv)
	if err != nil {
		return configError{err}
	}
	ctx, hidden := cmd.Context(), pipeline.NewSampler(key).Hide(id)
	before, err := d.store.Media(ctx, hidden)
	if err != nil {
		return err
	}
	gone, err := d.store.Forget(ctx, hidden, id)
	if err != nil {
		return fmt.Errorf("forget %s: part of it may be left, do it again: %w", id, err)
	}
	after, err := d.store.Media(ctx, hidden)
	if err != nil {
		return err
	}
	if n := len(after.Probes) + len(after.Labels); n > 0 {
		return fmt.Errorf("forget %s: %s came back while it was deleted: a worker is reading its records; do it again when it is done", id, counted(n, "entry", "entries"))
	}
	defer d.tellOtherKeys(ctx, pipeline.NewSampler(key).KeyID())
	if gone == 0 {
		fmt.Fprintf(d.out, "%s: nothing was kept (hidden id %s)\n", id, hidden)
		return nil
	}
	// Of the keys that went, each partition had one for its probes and one for its label; the rest are examples.
	partitions := map[int]bool{}
	for _, p := range before.Probes {
		partitions[p.Partition] = true
	}
	examples := max(gone-len(partitions)-len(before.Labels), 0)
	fmt.Fprintf(d.out, "%s: deleted %s, %s and %s (hidden id %s)\n", id, counted(len(before.Probes), "probe", "probes"),
		counted(len(before.Labels), "label", "labels"), counted(examples, "example", "examples"), hidden)
	fmt.Fprintln(d.out, "left: the counters, in which no media can be told apart; an alert that was already told may name it if window.example_ids allows that;\n"+
		"what Kafka holds, until its retention ends")
	return nil
}

// tellOtherKeys says that the media may have been kept under another secret key, whose hidden id for it nobody knows here.
func (d *desk) tellOtherKeys(ctx context.Context, own string) {
	stored, err := d.store.Steps(ctx)
	if err != nil {
		fmt.Fprintf(d.out, "note: whether another secret key was in use could not be read: %v\n", err)
		return
	}
	oldest := stored.At.Add(-d.cfg.Window.LabelHorizon) // older entries are gone
	for i, step := range stored.Steps {
		over := i+1 < len(stored.Steps) && stored.Steps[i+1].From.Before(oldest)
		if step.Key != own && !over {
			fmt.Fprintf(d.out, "note: another secret key (%s) was in use within the last %s: what was kept under it is not found here; do this again with that key, "+
				"or wait until it is gone\n", step.Key, lifeText(d.cfg.Window.LabelHorizon))
			return
		}
	}
}
