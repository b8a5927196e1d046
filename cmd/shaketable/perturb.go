package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// perturbOptions are the flags of `shaketable perturb`.
type perturbOptions struct {
	suite   string
	image   string
	out     string
	mediaID string
	codec   string
	list    bool
	atOnce  int64 // bytes of the variants that are held in memory at a time
}

const perturbHelp = `Shows what a suite does to a picture: writes every variant as a PNG (jpeg-1.png, jpeg-2.png, ...), the clean picture
(clean.png), and all of them on one page (contact-sheet.png). The picture is decoded as the worker decodes it, upright and
at its own size; the pixels are those that a probe of such a picture would score.

The suite is one by name, or a list of perturbations: families with their parameters (jpeg(q=60)), with a severity
(jpeg@2), or with all of their severities (jpeg). --list describes every family.

Random families draw from the media id and the suite's version: the same id gives the same bytes, here and in the worker.`

// The limits of a picture that is perturbed at its own size, in pixels.
const (
	perturbMinSide = 16
	perturbMaxSide = 4096
)

// perturbAtOnce is the default of perturbOptions.atOnce.
const perturbAtOnce = 128 << 20

func newPerturbCommand() *cobra.Command {
	o := perturbOptions{atOnce: perturbAtOnce}
	c := &cobra.Command{
		Use:   "perturb --suite S --image FILE --out DIR",
		Short: "Write the variants of a picture, to look at",
		Long:  perturbHelp,
		Args:  noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.list {
				return listFamilies(c.OutOrStdout())
			}
			return o.run(c.Context(), time.Now, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.suite, "suite", "deepfake-v1", suiteUsage())
	f.StringVar(&o.image, "image", "", "PNG, JPEG, WebP or GIF picture (required)")
	f.StringVar(&o.out, "out", "", "folder for the pictures, made if it is missing (required)")
	f.StringVar(&o.mediaID, "media-id", "", "media id that seeds the random families (default: the name of the file)")
	f.StringVar(&o.codec, "codec", "", codecUsage)
	f.BoolVar(&o.list, "list", false, "describe the families and suites, and do nothing else")
	return c
}

// run is the whole command, less --list.
func (o perturbOptions) run(ctx context.Context, now func() time.Time, stdout, stderr io.Writer) error {
	suite, err := o.check()
	if err != nil {
		return usageError{err}
	}
	clean, err := readUpright(ctx, o.image)
	switch {
	case ctx.Err() != nil:
		return errors.New("perturb: interrupted; nothing was written")
	case err != nil:
		return configError{fmt.Errorf("--image: %s: %w", o.image, err)}
	}
	runtime, err := onnx.NewRuntime(onnx.Config{Device: "cpu",
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	title := fmt.Sprintf("%s version %s   %d x %d pixels, media id %s", suite.Name, suite.Version, clean.Width, clean.Height, o.mediaID)
	page, err := newSheet(title, clean)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	w := variantWriter{dir: o.out, atOnce: max(1, int(o.atOnce)/len(clean.Pix)), page: page, stdout: stdout,
		bar: newProgress(stderr, now, "variants", len(suite.Variants))}
	err = w.writeAll(ctx, runtime, suite, clean, perturb.Seed(o.mediaID, suite.Version))
	w.bar.end()
	if ctx.Err() != nil {
		return fmt.Errorf("perturb: interrupted after %d pictures in %s; there is no contact sheet of them", w.written, o.out)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d pictures written to %s\n", w.written, o.out)
	return nil
}

// check completes the flags and refuses those that cannot work.
func (o *perturbOptions) check() (perturb.Suite, error) {
	for _, f := range []struct{ name, value, what string }{{"image", o.image, "the picture to perturb"},
		{"out", o.out, "a folder for the pictures"}} {
		if f.value == "" {
			return perturb.Suite{}, fmt.Errorf("--%s is missing: give %s", f.name, f.what)
		}
	}
	if info, err := os.Stat(o.out); err == nil && !info.IsDir() {
		return perturb.Suite{}, fmt.Errorf("--out: %s is a file: give a folder, or one that is not there yet", o.out)
	}
	if o.mediaID == "" {
		o.mediaID = filepath.Base(o.image)
	}
	return findSuite(o.suite, o.codec)
}

// readUpright decodes a picture at its own size.
func readUpright(ctx context.Context, path string) (pipeline.Image, error) {
	limits := pipeline.DefaultPrepareConfig()
	data, err := readCapped(path, limits.MaxBytes)
	var fault *os.PathError
	switch {
	case errors.As(err, &fault):
		return pipeline.Image{}, fault.Err // the caller names the file
	case err != nil:
		return pipeline.Image{}, err
	}
	prepare := pipeline.NewPreparer(limits)
	width, height, err := prepare.Size(data)
	if err != nil {
		return pipeline.Image{}, err
	}
	if min(width, height) < perturbMinSide || max(width, height) > perturbMaxSide {
		return pipeline.Image{}, fmt.Errorf("the picture is %d x %d pixels: both sides must be %d to %d; scale it first",
			width, height, perturbMinSide, perturbMaxSide)
	}
	return prepare.Prepare(ctx, data, nil, perturb.Input{Width: width, Height: height, Resize: perturb.Resize{Method: "bilinear", Fit: "stretch"}})
}

// painter makes the variants of a picture: *onnx.Runtime.
type painter interface {
	Pixels(ctx context.Context, s perturb.Suite, img pipeline.Image, seed int64) ([]pipeline.Image, error)
}

// variantWriter writes pictures one by one and says so.
type variantWriter struct {
	dir     string
	atOnce  int // variants that are held in memory at a time
	page    *sheet
	stdout  io.Writer
	bar     *progress
	written int
}

func (w *variantWriter) writeAll(ctx context.Context, p painter, suite perturb.Suite, clean pipeline.Image, seed int64) error {
	if err := w.write("clean", "clean", clean); err != nil {
		return err
	}
	for from := 0; from < len(suite.Variants); from += w.atOnce {
		part := suite
		part.Variants = suite.Variants[from:min(from+w.atOnce, len(suite.Variants))]
		pictures, err := p.Pixels(ctx, part, clean, seed)
		if err != nil {
			return fmt.Errorf("perturb: %w", err)
		}
		for i, v := range part.Variants {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := w.write(fmt.Sprintf("%s-%d", v.Family, v.Severity), v.String(), pictures[i]); err != nil {
				return err
			}
			w.page.add(v.Family, caption(v), pictures[i])
			w.bar.step(1)
		}
	}
	return w.save("contact-sheet.png", "all of them", w.page.draw())
}

// caption is what stands below a variant on the contact sheet: its severity, and its parameters with their names.
func caption(v perturb.Variant) string {
	return fmt.Sprintf("%d: %s", v.Severity, parameters(v))
}

func (w *variantWriter) write(name, what string, picture pipeline.Image) error {
	return w.save(name+".png", what, rgba(picture))
}

// save encodes without loss and replaces the file in one step.
func (w *variantWriter) save(name, what string, picture *image.RGBA) error {
	var text bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&text, picture); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := writeAtomically(filepath.Join(w.dir, name), text.Bytes()); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	w.written++
	fmt.Fprintf(w.stdout, "%s  %s\n", name, what)
	return nil
}
