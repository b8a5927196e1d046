package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shaketable/config"
	"shaketable/metrics"
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
	against   string
	failOn    []string
	failWhen  string
	plots     bool
	thumbs    bool
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
  report.html        for people: one file that needs nothing else, to be read, printed and sent on
  plots/             with --plots, the figures of the report as SVG and PNG

Labels are optional: a CSV file with the columns file and label, where label is fake or real. Further columns, such as
source or kind, split the figures of the report.

As a gate, for example in CI: --against takes the baseline.json of an evaluation before, of the same suite, and each
--fail-on a limit for every detector. 'RR(.05) -0.05' may fall by .05 at most, 'RA_self .95' must be .95 at least,
'RR(.05)/jpeg -0.03' is about one family, and RA_label needs labels. If a limit is broken the command names what fell,
and exits with 1 after it has written everything. --fail-when seen, the default, goes by the figures as they were measured:
on the same pictures they come out the same every time, so a fall is a fall. --fail-when sure fails only if the whole 95 %
band is beyond the limit, for pictures that are drawn anew each time: with a hundred of them, that takes a fall of some ten
points beyond the limit.`

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
	f.StringVar(&o.against, "against", "", "baseline.json of an evaluation before, to compare with")
	f.StringArrayVar(&o.failOn, "fail-on", nil, "limit that fails the command, as in 'RR(.05) -0.05' or 'RA_self .95' (may be repeated)")
	f.StringVar(&o.failWhen, "fail-when", failSeen, "seen: a figure breaks a limit; sure: its whole 95 % band does")
	f.BoolVar(&o.plots, "plots", false, "write the figures of the report as files, too")
	f.BoolVar(&o.thumbs, "thumbnails", false, "put small copies of the most moved pictures into the report")
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
	detectors  []pipeline.Detector
	suite      perturb.Suite
	attacks    []attack.Spec
	media      folder
	attributes []string           // of the pictures, beside the label
	against    []metrics.Baseline // by detector; nil without
	limits     []limit
	began      time.Time
}

// variants are those of the suite and of the attacks.
func (t task) variants() []perturb.Variant {
	return slices.Concat(t.suite.Variants, attack.Variants(t.attacks))
}

// evaluate runs the whole command. It writes nothing unless everything was computed.
func evaluate(ctx context.Context, o evaluateOptions, now func() time.Time, stdout, stderr io.Writer) error {
	t, err := o.load()
	if err != nil {
		return err
	}
	t.began = now()
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
	return t.conclude(ctx, o, done, now(), stdout, stderr)
}

// conclude names what could not be used, judges, writes the files and prints the report.
func (t task) conclude(ctx context.Context, o evaluateOptions, done []evaluation, ended time.Time, stdout, stderr io.Writer) error {
	pictures := t.media.pictures
	failed := listFailed(stderr, pictures, done)
	if failed == len(pictures) {
		return fmt.Errorf("evaluate: none of the %d files in %s could be used; the reasons are above", len(pictures), o.media)
	}
	if err := t.checkAttacked(stderr, done); err != nil {
		return err
	}
	warnAlike(stderr, done)
	t.warnAgainst(stderr, done)
	checks, err := t.gate(done, o.failWhen)
	if err != nil {
		return err
	}
	files, err := t.write(ctx, o, done, checks)
	if err != nil {
		return err
	}
	printReport(stdout, t, done, ended.Sub(t.began))
	if len(checks) > 0 {
		fmt.Fprintln(stdout, "\nGate:")
	}
	for _, c := range checks {
		fmt.Fprintf(stdout, "  %s %s\n", map[bool]string{false: "ok    ", true: "FAILED"}[c.Failed], c.Text)
	}
	fmt.Fprintf(stdout, "\nwritten: %s\n", strings.Join(files, ", "))
	if failed > 0 {
		fmt.Fprintf(stdout, "%d of %d files could not be used by every detector; they are listed above\n", failed, len(pictures))
	}
	return failures(checks)
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
		if t.attributes, err = readLabels(o.labels, pictures); err != nil {
			return t, configError{fmt.Errorf("--labels: %w", err)}
		}
	}
	if o.against != "" {
		if t.against, err = readAgainst(o.against, t.detectors, t.suite); err != nil {
			return t, configError{fmt.Errorf("--against: %w", err)}
		}
	}
	if t.limits, err = t.parseLimits(o.failOn); err != nil {
		return t, usageError{fmt.Errorf("--fail-on: %w", err)}
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
	if o.failWhen != failSeen && o.failWhen != failSure {
		return fmt.Errorf("--fail-when: %q must be %s or %s", o.failWhen, failSeen, failSure)
	}
	if o.parallel < 0 || o.parallel > 1024 {
		return fmt.Errorf("--parallel: %d must be 0 to 1024", o.parallel)
	}
	if info, err := os.Stat(o.out); err == nil && !info.IsDir() {
		return fmt.Errorf("--out: %s is a file: give a folder, or one that is not there yet", o.out)
	}
	if err := writable(o.out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	against, _ := os.Stat(o.against)
	if over, err := os.Stat(filepath.Join(o.out, "baseline.json")); err == nil && os.SameFile(over, against) {
		return fmt.Errorf("--against: %s is what this evaluation would write over: keep it elsewhere, or give another --out", o.against)
	}
	return nil
}

// writable says, before hours of computing, why nothing could be written to a folder in the end. It leaves nothing behind.
func writable(dir string) error {
	for {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	probe, err := os.CreateTemp(dir, ".shaketable-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
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
