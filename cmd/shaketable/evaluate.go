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
	"shaketable/perturb/attack"
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
	codec     string
	attacks   string
	device    string
	parallel  int
	out       string
}

const evaluateHelp = `Runs every picture of a folder through every detector, clean and under each perturbation of a suite, and counts how often
the verdict holds (RA) and how far the probability moves (RR). The figures are counted by the code of the worker, so they
can be what live traffic is held against.

Attacks are searches against the detector itself, inside a bound eps on the change of the pixels, which are in [0,1]. They
run by the name of a list (--attacks default), or written out: fgsm, pgd, cw, square and nes, each with target=self (away
from the decision), label (towards the wrong class) or delta (as far as it goes), eps=2/255 and more parameters, as in
--attacks 'pgd(target=delta, eps=2/255, steps=20), square(queries=500)'. Those with target=label count only the pictures
that have a label. To leave out the perturbations: --suite none.

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
	f.StringVar(&o.suite, "suite", "deepfake-v1", suiteUsage()+"; or none, with --attacks")
	f.StringVar(&o.codec, "codec", "", codecUsage)
	f.StringVar(&o.attacks, "attacks", "", "attacks: "+strings.Join(attack.Lists(), ", ")+", or expressions separated by commas")
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
	floors   onnx.Floors   // how far the device moves a probability by itself
	attacked *attacked     // nil without attacks
}

// task is all that evaluate was asked for.
type task struct {
	detectors []pipeline.Detector
	suite     perturb.Suite
	attacks   []attack.Spec
	media     folder
}

// evaluate runs the whole command. It writes nothing unless everything was computed.
func evaluate(ctx context.Context, o evaluateOptions, now func() time.Time, stdout, stderr io.Writer) error {
	began := now()
	t, err := o.load()
	if err != nil {
		return err
	}
	t.warn(stderr)
	runtime, err := onnx.NewRuntime(onnx.Config{Device: o.device, Parallel: o.parallel,
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	bar := newProgress(stderr, now, t.noun(), len(t.detectors)*len(t.media.pictures)*(1+len(t.attacks)))
	var done []evaluation
	for _, d := range t.detectors {
		bar.begin(d.Name)
		e, err := t.evaluate(ctx, runtime, d, bar)
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
	return t.conclude(o, done, began, now(), stdout, stderr)
}

// conclude names what could not be used, writes the files and prints the report.
func (t task) conclude(o evaluateOptions, done []evaluation, began, ended time.Time, stdout, stderr io.Writer) error {
	pictures := t.media.pictures
	failed := listFailed(stderr, pictures, done)
	if failed == len(pictures) {
		return fmt.Errorf("evaluate: none of the %d files in %s could be used; the reasons are above", len(pictures), o.media)
	}
	if err := t.checkAttacked(stderr, done); err != nil {
		return err
	}
	files, err := writeEvaluation(o.out, t, done, began)
	if err != nil {
		return err
	}
	report(stdout, t, done, ended.Sub(began))
	fmt.Fprintf(stdout, "\nwritten: %s\n", strings.Join(files, ", "))
	if failed > 0 {
		fmt.Fprintf(stdout, "%d of %d files could not be used by every detector; they are listed above\n", failed, len(pictures))
	}
	return nil
}

// noun is what the progress counts: an attack on a picture is one step, like a probe.
func (t task) noun() string {
	if len(t.attacks) == 0 {
		return "probes"
	}
	return "probes and attacks"
}

// load reads everything that can be wrong before anything is computed.
func (o evaluateOptions) load() (t task, err error) {
	if err := o.checkFlags(); err != nil {
		return t, usageError{err}
	}
	if t.suite, t.attacks, err = o.choose(); err != nil {
		return t, usageError{err}
	}
	if t.detectors, err = config.LoadDetectors(o.detectors); err != nil {
		return t, configError{err}
	}
	if t.detectors, err = selectDetectors(t.detectors, o.only); err != nil {
		return t, usageError{err}
	}
	pictures, err := listMedia(o.media)
	if err != nil {
		return t, configError{fmt.Errorf("--media: %w", err)}
	}
	t.media = folder{o.media, pictures}
	if o.labels != "" {
		if err := readLabels(o.labels, pictures); err != nil {
			return t, configError{fmt.Errorf("--labels: %w", err)}
		}
	}
	return t, nil
}

func (o evaluateOptions) checkFlags() error {
	for _, f := range []struct{ name, value, what string }{{"detectors", o.detectors, "the file that lists the detectors"},
		{"media", o.media, "the folder with the pictures"}, {"out", o.out, "a folder for the results"}} {
		if f.value == "" {
			return fmt.Errorf("--%s is missing: give %s", f.name, f.what)
		}
	}
	if o.parallel < 0 || o.parallel > 1024 {
		return fmt.Errorf("--parallel: %d must be 0 to 1024", o.parallel)
	}
	if info, err := os.Stat(o.out); err == nil && !info.IsDir() {
		return fmt.Errorf("--out: %s is a file: give a folder, or one that is not there yet", o.out)
	}
	return nil
}

// choose reads what the pictures go through.
func (o evaluateOptions) choose() (suite perturb.Suite, specs []attack.Spec, err error) {
	if o.attacks != "" {
		if specs, err = attack.List(o.attacks); err != nil {
			return suite, nil, fmt.Errorf("--attacks: %w", err)
		}
	}
	if o.suite == noSuite {
		switch {
		case len(specs) == 0:
			return suite, nil, errors.New("--suite none leaves nothing to do without --attacks")
		case o.codec != "":
			return suite, nil, errors.New("--codec has no meaning with --suite none")
		}
		suite, err = emptySuite()
		return suite, specs, err
	}
	suite, err = findSuite(o.suite, o.codec)
	return suite, specs, err
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
