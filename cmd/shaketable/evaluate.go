package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shaketable/config"
	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// evaluateOptions are the flags of `shaketable evaluate`.
type evaluateOptions struct {
	detectors string
	only      []string
	media     string
	labels    string
	suite     string
	device    string
	parallel  int
	out       string
}

const evaluateHelp = `Runs every picture of a folder through every detector, clean and under each perturbation of a suite, and counts how often
the verdict holds (RA) and how far the probability moves (RR). The figures are counted by the code of the worker, so they
can be what live traffic is held against.

Into the output folder it writes
  ra_rr.csv          a row per detector, perturbation and severity
  probabilities.csv  the probability of fake behind every figure
  baseline.json      for the alerts (alerts.file in the configuration)

Labels are optional: a CSV file with the columns file and label, where label is fake or real.`

func newEvaluateCommand() *cobra.Command {
	var o evaluateOptions
	c := &cobra.Command{
		Use:   "evaluate --detectors FILE --media DIR --out DIR",
		Short: "Measure how robust detectors are on a folder of pictures",
		Long:  evaluateHelp,
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return evaluate(c.Context(), o, time.Now, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.detectors, "detectors", "", "file that lists the detectors (required)")
	f.StringSliceVar(&o.only, "only", nil, "names of the detectors to evaluate (default: all of the file)")
	f.StringVar(&o.media, "media", "", "folder with PNG, JPEG, WebP or GIF pictures (required)")
	f.StringVar(&o.labels, "labels", "", "CSV file with the columns file and label")
	f.StringVar(&o.suite, "suite", "deepfake-v1", "perturbation suite: "+strings.Join(perturb.Suites(), " or "))
	f.StringVar(&o.device, "device", "cpu", "cpu, cuda:N, or auto (a GPU if there is one)")
	f.IntVar(&o.parallel, "parallel", 0, "runs at once (default: one per processor)")
	f.StringVar(&o.out, "out", "", "folder for the results, made if it is missing (required)")
	return c
}

// evaluation is what one detector's run left behind.
type evaluation struct {
	detector pipeline.Detector
	counts   *pipeline.Evaluation
	results  []probeResult // in the order of the pictures
	engine   string        // what computed it
}

// evaluate runs the whole command. It writes nothing unless everything was computed.
func evaluate(ctx context.Context, o evaluateOptions, now func() time.Time, stdout, stderr io.Writer) error {
	began := now()
	detectors, suite, pictures, err := o.load()
	if err != nil {
		return err
	}
	runtime, err := onnx.NewRuntime(onnx.Config{Device: o.device, Parallel: o.parallel,
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	bar := newProgress(stderr, now, len(detectors)*len(pictures))
	var done []evaluation
	for _, d := range detectors {
		bar.begin(d.Name)
		e, err := evaluateDetector(ctx, runtime, d, suite, folder{o.media, pictures}, bar)
		if err != nil {
			bar.end()
			if ctx.Err() != nil {
				return errors.New("evaluate: interrupted; nothing was written")
			}
			return err
		}
		done = append(done, e)
	}
	bar.end()
	failed := listFailed(stderr, pictures, done)
	if failed == len(pictures) {
		return fmt.Errorf("evaluate: none of the %d files in %s could be used; the reasons are above", len(pictures), o.media)
	}
	files, err := writeEvaluation(o.out, pictures, done, began)
	if err != nil {
		return err
	}
	report(stdout, pictures, done, now().Sub(began))
	fmt.Fprintf(stdout, "\nwritten: %s\n", strings.Join(files, ", "))
	if failed > 0 {
		fmt.Fprintf(stdout, "%d of %d files could not be used by every detector; they are listed above\n", failed, len(pictures))
	}
	return nil
}

// load reads everything that can be wrong before anything is computed.
func (o evaluateOptions) load() ([]pipeline.Detector, perturb.Suite, []mediaFile, error) {
	suite, err := o.checkFlags()
	if err != nil {
		return nil, suite, nil, usageError{err}
	}
	detectors, err := config.LoadDetectors(o.detectors)
	if err != nil {
		return nil, suite, nil, configError{err}
	}
	if detectors, err = selectDetectors(detectors, o.only); err != nil {
		return nil, suite, nil, usageError{err}
	}
	pictures, err := listMedia(o.media)
	if err != nil {
		return nil, suite, nil, configError{fmt.Errorf("--media: %w", err)}
	}
	if o.labels != "" {
		if err := readLabels(o.labels, pictures); err != nil {
			return nil, suite, nil, configError{fmt.Errorf("--labels: %w", err)}
		}
	}
	return detectors, suite, pictures, nil
}

func (o evaluateOptions) checkFlags() (perturb.Suite, error) {
	for _, f := range []struct{ name, value, what string }{{"detectors", o.detectors, "the file that lists the detectors"},
		{"media", o.media, "the folder with the pictures"}, {"out", o.out, "a folder for the results"}} {
		if f.value == "" {
			return perturb.Suite{}, fmt.Errorf("--%s is missing: give %s", f.name, f.what)
		}
	}
	if o.parallel < 0 || o.parallel > 1024 {
		return perturb.Suite{}, fmt.Errorf("--parallel: %d must be 0 to 1024", o.parallel)
	}
	if info, err := os.Stat(o.out); err == nil && !info.IsDir() {
		return perturb.Suite{}, fmt.Errorf("--out: %s is a file: give a folder, or one that is not there yet", o.out)
	}
	suite, err := perturb.Lookup(o.suite)
	if err != nil {
		return suite, fmt.Errorf("--suite: %w", err)
	}
	return suite, nil
}

// selectDetectors keeps those that are named, in the order of the file; no name keeps all.
func selectDetectors(all []pipeline.Detector, only []string) ([]pipeline.Detector, error) {
	if len(only) == 0 {
		return all, nil
	}
	var known []string
	for _, d := range all {
		known = append(known, d.Name)
	}
	for _, name := range only {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("--only: there is no detector %q: the file lists %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(d pipeline.Detector) bool { return !slices.Contains(only, d.Name) }), nil
}
