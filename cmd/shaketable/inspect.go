package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shaketable/cmd/shaketable/inspect"
	"shaketable/config"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// inspectOptions are the flags of `shaketable inspect`.
type inspectOptions struct {
	model string
	out   string
	name  string
	size  string
	media string
	force bool
}

const inspectHelp = `Reads an ONNX file, runs it on a few pictures, prints what it found out, and writes a first detectors.yaml for it. No
other file is needed.

Every line says how sure it is:
  found       the file says so, or running it shows it
  guessed     likely, with the reason
  verify      no file can tell; the usual value is written, and shaketable verify finds out
  please say  nothing works without it: say it with the flag that the line names
  warning     something that you should know

The exit status is 1 if something has to be said first, and nothing is written then.`

func newInspectCommand() *cobra.Command {
	var o inspectOptions
	c := &cobra.Command{
		Use:   "inspect MODEL.onnx",
		Short: "Find out what an ONNX file holds, and write a first detectors.yaml",
		Long:  inspectHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("inspect takes one ONNX file, not %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			o.model = args[0]
			return o.run(c.Context(), time.Now, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.StringVar(&o.out, "out", "detectors.yaml", "file to write; - for the standard output, below the findings")
	f.StringVar(&o.name, "name", "", "name of the detector (default: that of the file)")
	f.StringVar(&o.size, "size", "", "HEIGHTxWIDTH of the input in pixels, if the file leaves it open")
	f.StringVar(&o.media, "media", "", "folder with pictures to run it on, besides made-up ones")
	f.BoolVar(&o.force, "force", false, "write over a file that is there")
	return c
}

// run is the whole command.
func (o inspectOptions) run(ctx context.Context, now func() time.Time, stdout, stderr io.Writer) error {
	size, err := o.check()
	if err != nil {
		return usageError{err}
	}
	data, err := readModelFile(o.model)
	if err != nil {
		return configError{err}
	}
	model, err := inspect.Open(data)
	if err != nil {
		return configError{fmt.Errorf("%s: %w", o.model, err)}
	}
	settled, err := model.Settle(size)
	if err != nil {
		return usageError{err}
	}
	runtime, err := onnx.NewRuntime(onnx.Config{Device: "cpu", Parallel: 1,
		Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	printFile(stdout, o.model, model)
	if settled.Asks() {
		printLines(stdout, settled)
		return errors.New("inspect: say what is marked \"please say\"; nothing was written")
	}
	settled, measured, err := o.measure(ctx, runtime, model, data, settled, now)
	if err != nil {
		return fmt.Errorf("inspect: %s: %w", o.model, err)
	}
	printLines(stdout, settled)
	measured.print(stdout)
	return o.write(stdout, data, settled)
}

// check completes the flags.
func (o *inspectOptions) check() (size inspect.Size, err error) {
	if o.name == "" {
		o.name = detectorName(o.model)
	}
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}$`).MatchString(o.name) {
		return size, fmt.Errorf("--name: %q must be 1 to 128 letters, digits or . _ : @ - and begin with a letter or digit", o.name)
	}
	if o.size != "" {
		if size, err = parseSize(o.size); err != nil {
			return size, fmt.Errorf("--size: %w", err)
		}
	}
	if o.out != "-" && !o.force {
		if _, err := os.Stat(o.out); !errors.Is(err, fs.ErrNotExist) {
			return size, fmt.Errorf("--out: %s is there already: name another file, or say --force to write over it", o.out)
		}
	}
	return size, nil
}

// detectorName makes a name of a file's.
func detectorName(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9._:@-]+`).ReplaceAllString(name, "-"), "-._:@")
	return name[:min(len(name), 128)]
}

// parseSize reads "224x224", height first, as tensors have it, or "224" for a square.
func parseSize(text string) (inspect.Size, error) {
	h, w, both := strings.Cut(strings.ToLower(text), "x")
	if !both {
		w = h
	}
	height, err1 := strconv.Atoi(h)
	width, err2 := strconv.Atoi(w)
	if err := errors.Join(err1, err2); err != nil || min(height, width) < 16 || max(height, width) > 4096 {
		return inspect.Size{}, fmt.Errorf("%q must be HEIGHTxWIDTH in pixels, each 16 to 4096, such as 224x224", text)
	}
	return inspect.Size{Width: width, Height: height}, nil
}

// readModelFile reads an ONNX file of at most 2 GiB.
func readModelFile(path string) ([]byte, error) {
	data, err := readCapped(path, 2<<30-1)
	var fault *os.PathError
	switch {
	case errors.As(err, &fault):
		return nil, fmt.Errorf("%s: %w", path, fault.Err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(data) > 2<<30-1:
		return nil, fmt.Errorf("%s is larger than 2 GiB, the most that an ONNX file can hold", path)
	}
	return data, nil
}

// write makes the file and says what comes next.
func (o inspectOptions) write(stdout io.Writer, data []byte, settled inspect.Settled) error {
	sum := sha256.Sum256(data)
	d := pipeline.Detector{Name: o.name, Version: "1", Input: settled.Input, Output: settled.Output, Threshold: .5}
	d.Model.SHA256 = hex.EncodeToString(sum[:])
	dir := "."
	if o.out != "-" {
		dir = filepath.Dir(o.out)
	}
	d.Model.Path = relative(dir, o.model)
	text := inspect.YAML(d, settled)
	if o.out == "-" {
		_, err := fmt.Fprintf(stdout, "\n%s", text)
		return err
	}
	if err := writeAtomically(o.out, []byte(text)); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	if _, err := config.LoadDetectors(o.out); err != nil { // what is written must be readable
		return fmt.Errorf("inspect: %s was written, but has faults: %w", o.out, err)
	}
	fmt.Fprintf(stdout, "\nwritten: %s\n", o.out)
	fmt.Fprintf(stdout, "next: shaketable verify --detectors %s --media DIR --scores scores.csv\n"+
		"      (scores.csv has the columns file and score: what your own service says about some pictures of DIR; 30 are plenty)\n", o.out)
	fmt.Fprintf(stdout, "then: shaketable evaluate --detectors %s --media DIR --out results\n", o.out)
	return nil
}

// relative is a path as seen from a folder; absolute if there is no way.
func relative(dir, path string) string {
	from, err1 := filepath.Abs(dir)
	to, err2 := filepath.Abs(path)
	if errors.Join(err1, err2) != nil {
		return path
	}
	if short, err := filepath.Rel(from, to); err == nil && len(short) < len(to) {
		return filepath.ToSlash(short)
	}
	return to
}
