package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"shaketable/cmd/shaketable/inspect"
	"shaketable/cmd/shaketable/suspect"
	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// verifyOptions are the flags of `shaketable verify`.
type verifyOptions struct {
	detectors string
	only      string
	media     string
	scores    string
	meaning   string
	exif      string
	write     bool
	parallel  int
	budget    time.Duration
	tolerance float64
}

const verifyHelp = `Compares the probability that a detector has here with the scores of your own service, picture by picture. If they
differ, it tries the usual reasons (order of colours, scale, mean and standard deviation, how pictures are resized, which
class is the fake one, logit or probability), one at a time, then in pairs, then all together, and prints the lines of
the configuration to change.

The scores are a CSV file with a column file (or path, name, ...) and a column score (or probability, p, prob_fake,
prob_real, logit, ...). Percentages and logits are recognised. Files are looked for below --media.

Exit status: 0 if the scores are the same but for rounding, or within --tolerance; 1 if not, whether it was explained or
not.`

func newVerifyCommand() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify --detectors FILE --media DIR --scores FILE",
		Short: "Check that a detector here gives the scores of your own service, and find out why not",
		Long:  verifyHelp,
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return o.run(c.Context(), time.Now, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.detectors, "detectors", "", "file that lists the detectors (required)")
	f.StringVar(&o.only, "only", "", "name of the detector (default: the only one of the file)")
	f.StringVar(&o.media, "media", "", "folder with PNG, JPEG, WebP or GIF pictures (required)")
	f.StringVar(&o.scores, "scores", "", "CSV file with the scores of your service (required)")
	f.StringVar(&o.meaning, "meaning", "", "what the scores are the probability of: fake or real (default: as the column is called, else fake)")
	f.StringVar(&o.exif, "exif", "apply", "apply or ignore the EXIF orientation of pictures, as prepare.exif of the configuration")
	f.BoolVar(&o.write, "write", false, "write the corrected file beside the other, with .verified at its end")
	f.IntVar(&o.parallel, "parallel", 0, "runs at once (default: one per processor)")
	f.DurationVar(&o.budget, "budget", 10*time.Minute, "begin no further round of the search after this time")
	f.Float64Var(&o.tolerance, "tolerance", 0, "take differences up to this for the same, such as 0.02 for another JPEG decoder")
	return c
}

// errNotSame ends the command with a status; what it means has been printed.
var errNotSame = errors.New("verify: the scores are not the same; see above")

// verification is what the command works on.
type verification struct {
	options  verifyOptions
	detector pipeline.Detector
	scores   scoreFile
	pictures []suspect.Picture
	model    *inspect.Model
	data     []byte
	unscored int      // pictures without a score
	missing  []string // files with a score and no picture
}

// run is the whole command.
func (o verifyOptions) run(ctx context.Context, now func() time.Time, stdout, stderr io.Writer) error {
	v, err := o.load()
	if err != nil {
		return err
	}
	runtime, err := onnx.NewRuntime(onnx.Config{Device: "cpu", Parallel: o.parallel,
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	found, err := v.search(ctx, runtime, now, stderr)
	if err != nil {
		if ctx.Err() != nil {
			return errors.New("verify: interrupted")
		}
		return fmt.Errorf("verify: detector %s: %w", v.detector.Name, err)
	}
	v.report(stdout, found)
	if o.write && found.Explained {
		if err := v.writeVerified(stdout, found.Alike[0]); err != nil {
			return err
		}
	}
	if !v.near(found.Configured) || found.Flat {
		return errNotSame
	}
	return nil
}

// search runs the comparison with a progress bar.
func (v verification) search(ctx context.Context, r *onnx.Runtime, now func() time.Time, stderr io.Writer) (found suspect.Finding, err error) {
	all := newNetworks(r, v.data, v.model.Shape())
	defer func() { err = errors.Join(err, all.close()) }()
	began := now()
	bar := newProgress(stderr, now, "runs", 0)
	defer func() { bar.end() }()
	c := v.question(all)
	c.Parallel, c.Tolerance = r.Parallel(), v.options.tolerance
	c.Enough = func() bool { return now().Sub(began) > v.options.budget }
	said := ""
	c.Say = func(what string, runs int) {
		bar.end()
		bar = newProgress(stderr, now, "runs", runs)
		if bar.label = what; what != said {
			bar.begin(what)
		}
		said = what
	}
	c.Step = func() { bar.step(1) }
	return suspect.Search(ctx, c)
}

// question is what the search is asked.
func (v verification) question(all *networks) suspect.Case {
	shape := v.model.Shape()
	in, out := v.detector.Input, v.detector.Output
	if out.Name == "" {
		out.Name = v.model.Outputs[0].Name
	}
	c := suspect.Case{
		Base:     suspect.Hypothesis{Input: in, Output: out, Exif: v.options.exif},
		Pictures: v.pictures, Rounding: v.scores.rounding, Real: v.scores.real, Bytes: shape.Bytes, Open: all.open, Prepare: pipeline.DefaultPrepareConfig(),
	}
	if len(shape.Layouts) > 1 {
		c.Layouts = shape.Layouts
	}
	if shape.Width == 0 || shape.Height == 0 {
		fit, _ := v.model.SidesThatFit(in.Layout)
		for _, side := range fit[:min(len(fit), mostSizes)] {
			if size := (suspect.Size{Width: side, Height: side}); size != (suspect.Size{Width: in.Width, Height: in.Height}) {
				c.Sizes = append(c.Sizes, size)
			}
		}
	}
	return c
}

// mostSizes bounds the sizes that are tried where the model leaves its own open.
const mostSizes = 4

// load reads everything that can be wrong before anything is computed.
func (o verifyOptions) load() (v verification, err error) {
	v.options = o
	if err := o.check(); err != nil {
		return v, usageError{err}
	}
	detectors, err := config.LoadDetectors(o.detectors)
	if err != nil {
		return v, configError{err}
	}
	if v.detector, err = oneDetector(detectors, o.only); err != nil {
		return v, usageError{err}
	}
	if v.scores, err = readScores(o.scores, o.meaning); err != nil {
		return v, configError{fmt.Errorf("--scores: %w", err)}
	}
	files, err := listMedia(o.media)
	if err != nil {
		return v, configError{fmt.Errorf("--media: %w", err)}
	}
	if err := v.match(files); err != nil {
		return v, configError{err}
	}
	if v.data, err = readModelFile(v.detector.Model.Path); err != nil {
		return v, configError{fmt.Errorf("detector %s: model.path: %w", v.detector.Name, err)}
	}
	if err := checkDigest(v.detector, v.data); err != nil {
		return v, configError{err}
	}
	if v.model, err = inspect.Open(v.data); err != nil {
		return v, configError{fmt.Errorf("detector %s: %s: %w", v.detector.Name, v.detector.Model.Path, err)}
	}
	return v, nil
}

func (o verifyOptions) check() error {
	for _, f := range []struct{ name, value, what string }{{"detectors", o.detectors, "the file that lists the detectors"},
		{"media", o.media, "the folder with the pictures"}, {"scores", o.scores, "the CSV file with the scores of your service"}} {
		if f.value == "" {
			return fmt.Errorf("--%s is missing: give %s", f.name, f.what)
		}
	}
	switch {
	case o.meaning != "" && o.meaning != "fake" && o.meaning != "real":
		return fmt.Errorf("--meaning: %q must be fake or real", o.meaning)
	case o.exif != "apply" && o.exif != "ignore":
		return fmt.Errorf("--exif: %q must be apply or ignore", o.exif)
	case o.parallel < 0 || o.parallel > 1024:
		return fmt.Errorf("--parallel: %d must be 0 to 1024", o.parallel)
	case !(o.tolerance >= 0 && o.tolerance < 1):
		return fmt.Errorf("--tolerance: %g must be at least 0 and less than 1", o.tolerance)
	case o.budget < 0:
		return fmt.Errorf("--budget: %s must not be negative", o.budget)
	}
	if _, err := os.Stat(o.verified()); o.write && err == nil {
		return fmt.Errorf("--write: %s is there already: move it away first", o.verified())
	}
	return nil
}

// verified is the file that --write makes.
func (o verifyOptions) verified() string { return filepath.Clean(o.detectors) + ".verified" }

// oneDetector picks the detector that is meant.
func oneDetector(all []pipeline.Detector, name string) (d pipeline.Detector, err error) {
	var only []string
	if name != "" {
		only = []string{name}
	}
	list, err := selectDetectors(all, only)
	if err != nil {
		return d, err
	}
	if len(list) > 1 {
		var names []string
		for _, d := range list {
			names = append(names, d.Name+" "+d.Version)
		}
		return d, fmt.Errorf("the file lists %d detectors (%q): scores are those of one; name it with --only", len(list), names)
	}
	return list[0], nil
}
