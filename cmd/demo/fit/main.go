//go:build cgo

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"shaketable/cmd/demo/media"
	"shaketable/perturb"
	"shaketable/perturb/graph"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fit:", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("fit", flag.ContinueOnError)
	out := flags.String("out", filepath.Join("deploy", "demo"), "`directory` that gets the models, detectors.yaml and README.md")
	n := flags.Int("n", 2000, "pictures to fit to")
	held := flags.Int("held", 2000, "held-out pictures to measure on")
	seed := flags.Uint64("seed", 1, "seed of the pictures to fit to; the held-out ones have the next seed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *n < 100 || *held < 100 {
		return fmt.Errorf("-n %d and -held %d must be at least 100", *n, *held)
	}
	if err := startRuntime(); err != nil {
		return err
	}
	versions, err := fit(ctx, *seed, *n)
	if err != nil {
		return err
	}
	table, err := compare(ctx, *seed+1, *held, versions)
	if err != nil {
		return err
	}
	note := readme(*seed, *n, *held, versions, table)
	if _, err := io.WriteString(stdout, note); err != nil {
		return err
	}
	return write(*out, versions, note)
}

// version is one fitted detector.
type version struct {
	name   string
	smooth float64 // how far the targets were moved from 0 and 1 towards each other
	model  []byte  // ONNX
}

// ridge only keeps the weights finite where the classes can be separated; it is too small to be seen in any figure.
const ridge = 1

// fit returns version 1.0 and version 1.1.
func fit(ctx context.Context, seed uint64, n int) ([]version, error) {
	s, err := newSource(seed)
	if err != nil {
		return nil, err
	}
	samples, err := s.collect(ctx, n)
	if err != nil {
		return nil, err
	}
	versions := []version{{name: "1.0"}, {name: "1.1", smooth: .1}}
	for i := range versions {
		if versions[i].model, err = train(samples, versions[i].smooth); err != nil {
			return nil, fmt.Errorf("version %s: %w", versions[i].name, err)
		}
	}
	return versions, nil
}

func train(samples []sample, smooth float64) ([]byte, error) {
	var rows [][]float64
	var targets []float64
	for _, s := range samples {
		target := smooth
		if s.fake {
			target = 1 - smooth
		}
		for _, f := range s.features {
			rows, targets = append(rows, f), append(targets, target)
		}
	}
	l, err := FitLogistic(rows, targets, ridge)
	if err != nil {
		return nil, err
	}
	return graph.Marshal(detectorModel(l))
}

// compare measures every version on the same held-out pictures.
func compare(ctx context.Context, seed uint64, n int, versions []version) ([]figures, error) {
	s, err := newSource(seed)
	if err != nil {
		return nil, err
	}
	var all []figures
	for _, v := range versions {
		pictures, err := s.evaluate(ctx, v.model, input(), output(), n)
		if err != nil {
			return nil, fmt.Errorf("version %s: %w", v.name, err)
		}
		all = append(all, figuresOf(s.suite.Variants, pictures))
	}
	return all, nil
}

func input() perturb.Input {
	return perturb.Input{Name: "image", Width: media.Size, Height: media.Size, Layout: "NCHW", Color: "RGB", Scale: "unit",
		Std: [3]float32{1, 1, 1}, Resize: perturb.Resize{Method: "bilinear", Fit: "stretch"}}
}

func output() perturb.Output { return perturb.Output{Name: "logit", Kind: "logit", Meaning: "fake"} }

func readme(seed uint64, n, held int, versions []version, f []figures) string {
	var b bytes.Buffer
	fmt.Fprintf(&b, `# The detectors of the demo

Made by `+"`go run ./cmd/demo/fit`"+` from %d pictures (seed %d, half of them fake) and the 8 copies of each that the suite
`+"`production`"+` makes; measured on %d others (seed %d), on the CPU, by the graph that the worker runs. Seven fixed
filters and a logistic regression; the package comment of cmd/demo/fit says which. The versions differ in one number: 1.1
was fitted to labels smoothed by %.1f.

`, n, seed, held, seed+1, versions[1].smooth)
	writeTable(&b, f[0], f[1]) // a buffer takes everything
	b.WriteString("\nThe pictures are synthetic: the figures say nothing about any other detector.\n")
	return b.String()
}

// write puts the files into a directory: models, a detectors.yaml that lists them, and the note.
func write(dir string, versions []version, note string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	list := "# Written by cmd/demo/fit, together with the models.\ndetectors:\n"
	for _, v := range versions {
		file := "traces-" + v.name + ".onnx"
		if err := os.WriteFile(filepath.Join(dir, file), v.model, 0o644); err != nil {
			return err
		}
		list += strings.NewReplacer("VERSION", v.name, "FILE", file, "DIGEST", fmt.Sprintf("%x", sha256.Sum256(v.model)),
			"SIZE", fmt.Sprint(media.Size)).Replace(entry)
	}
	if err := os.WriteFile(filepath.Join(dir, "detectors.yaml"), []byte(list), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), []byte(note), 0o644)
}

const entry = `  - name: traces
    version: "VERSION"
    model: {path: FILE, sha256: DIGEST}
    input: {name: image, width: SIZE, height: SIZE, layout: NCHW, color: RGB, scale: unit, resize: {method: bilinear, fit: stretch}}
    output: {name: logit, kind: logit, meaning: fake}
    threshold: 0.5
    notify: page
    owner: demo
`
