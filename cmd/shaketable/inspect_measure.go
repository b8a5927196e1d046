package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"shaketable/cmd/shaketable/inspect"
	"shaketable/cmd/shaketable/suspect"
	"shaketable/perturb"
	"shaketable/pipeline"
	"shaketable/pipeline/onnx"
)

// measured is what running a model shows.
type measured struct {
	took        time.Duration // per picture, on one core
	model       int64         // resident bytes that loading and running took; 0 if unknown
	unsupported []string      // operators without a gradient
	margin      string
	outputs     []float64 // P(fake) as settled, for the pictures of --media
}

// mostLooked bounds the pictures of --media that are run.
const mostLooked = 16

// measure runs the model on made-up pictures and on those of --media, and settles what its output means.
func (o inspectOptions) measure(ctx context.Context, r *onnx.Runtime, m *inspect.Model, data []byte, s inspect.Settled, now func() time.Time) (_ inspect.Settled, out measured, err error) {
	before := residentBytes()
	all := newNetworks(r, data, m.Shape())
	defer func() { err = errors.Join(err, all.close()) }()
	net, err := all.open(s.Input.Layout, suspect.Size{Width: s.Input.Width, Height: s.Input.Height})
	if err != nil {
		return s, out, fmt.Errorf("at %d x %d pixels: %w", s.Input.Width, s.Input.Height, err)
	}
	pictures, err := o.pictures(ctx, s.Input)
	if err != nil {
		return s, out, configError{err}
	}
	own := len(pictures)
	pictures = append(pictures, madeUp(s.Input.Width, s.Input.Height)...)
	var runs [][]suspect.Output
	for _, in := range scales(s.Input) {
		for _, picture := range pictures {
			began := now()
			outputs, err := net.Run(ctx, suspect.Tensor(picture, in))
			if err != nil {
				return s, out, err
			}
			if took := now().Sub(began); out.took == 0 || took < out.took {
				out.took = took
			}
			runs = append(runs, outputs)
		}
	}
	if fault := unusable(runs); fault != nil {
		return s, out, fault
	}
	out.model = residentBytes() - before
	s = m.Read(s, runs)
	attackable, err := perturb.CompileAttackable(data, s.Input, s.Output, 1)
	if err != nil {
		return s, out, err
	}
	out.unsupported, out.margin = attackable.Unsupported, attackable.Margin
	for _, outputs := range runs[:own] {
		if p, ok := suspect.Read(outputs, s.Output); ok {
			out.outputs = append(out.outputs, p)
		}
	}
	return s, out, nil
}

// scales are the settled input, and others that no sane service uses: what is bounded under all of them is bounded.
func scales(in perturb.Input) []perturb.Input {
	list := []perturb.Input{in}
	for _, other := range []struct {
		scale string
		std   float32
	}{{"unit", 1}, {"byte", 1}, {"unit", .1}} {
		next := in
		next.Scale, next.Std = other.scale, [3]float32{other.std, other.std, other.std}
		if next != in {
			list = append(list, next)
		}
	}
	return list
}

// unusable says that the model returns nothing that is a score for ordinary pictures.
func unusable(runs [][]suspect.Output) error {
	usable := false
	for _, o := range runs[0] {
		usable = usable || len(o.Values) > 0 && !slices.ContainsFunc(o.Values, func(v float32) bool {
			return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)
		})
	}
	if !usable {
		return errors.New("for an ordinary picture the model returns nothing, or no finite number: it was exported wrongly, or half precision overflows")
	}
	return nil
}

// pictures prepares some of the folder, spread over it.
func (o inspectOptions) pictures(ctx context.Context, in perturb.Input) (list []pipeline.Image, err error) {
	if o.media == "" {
		return nil, nil
	}
	files, err := listMedia(o.media)
	if err != nil {
		return nil, fmt.Errorf("--media: %w", err)
	}
	prepare := pipeline.NewPreparer(pipeline.DefaultPrepareConfig())
	var faults []error
	for i := 0; i < len(files) && len(list) < mostLooked; i += max(1, len(files)/mostLooked) {
		data, err := readCapped(filepath.Join(o.media, filepath.FromSlash(files[i].name)), pipeline.DefaultPrepareConfig().MaxBytes)
		if err == nil {
			var img pipeline.Image
			if img, err = prepare.Prepare(ctx, data, nil, in); err == nil {
				list = append(list, img)
				continue
			}
		}
		faults = append(faults, fmt.Errorf("--media: %s: %w", files[i].name, err))
	}
	if len(list) == 0 {
		return nil, errors.Join(faults...)
	}
	return list, nil
}

// madeUp are pictures of soft shapes, of noise, and black and white ones.
func madeUp(width, height int) (list []pipeline.Image) {
	random := rand.New(rand.NewPCG(1, 2)) // always the same ones
	paint := func(pixel func(x, y, c int) float64) {
		img := pipeline.Image{Width: width, Height: height, Pix: make([]byte, 0, 3*width*height)}
		for y := range height {
			for x := range width {
				for c := range 3 {
					img.Pix = append(img.Pix, uint8(min(max(pixel(x, y, c), 0), 255)))
				}
			}
		}
		list = append(list, img)
	}
	for range 4 {
		var level, fx, fy [3]float64
		for c := range 3 {
			level[c], fx[c], fy[c] = 60+140*random.Float64(), 12*random.Float64()/float64(width), 12*random.Float64()/float64(height)
		}
		paint(func(x, y, c int) float64 {
			return level[c] + 50*math.Sin(fx[c]*float64(x))*math.Cos(fy[c]*float64(y)) + 8*random.NormFloat64()
		})
	}
	for range 2 {
		paint(func(int, int, int) float64 { return 256 * random.Float64() })
	}
	paint(func(int, int, int) float64 { return 0 })
	paint(func(int, int, int) float64 { return 255 })
	return list
}

// residentBytes is the memory of this process; 0 where the system does not tell.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// printFile prints what the file says.
func printFile(w io.Writer, path string, m *inspect.Model) {
	var operators []string
	for _, o := range m.Operators {
		operators = append(operators, fmt.Sprintf("%s %d", o.Name, o.Count))
	}
	row := func(topic, text string) { fmt.Fprintf(w, "%-10s  %-13s %s\n", "found", topic, text) }
	row("file", fmt.Sprintf("%s, %s, opset %d, made by %s", filepath.Base(path), amount(int64(m.Size)), m.Opset, orUnknown(m.Producer)))
	precision := ""
	if m.Half {
		precision = ", half precision"
	}
	row("parameters", thousands(m.Parameters)+precision)
	row("operators", wrap(strings.Join(operators, ", "), 26, 96))
	row("input", m.Input.String())
	for _, o := range append(slices.Clone(m.Outputs), m.Others...) {
		row("output", o.String())
	}
}

// printLines prints what was settled, and why.
func printLines(w io.Writer, s inspect.Settled) {
	for _, l := range s.Lines {
		fmt.Fprintf(w, "%-10s  %-13s %s\n", l.Certainty, l.Topic, wrap(l.Text+" ("+l.Why+")", 26, 96))
	}
}

func (m measured) print(w io.Writer) {
	fmt.Fprintf(w, "%-10s  %-13s %.3g ms per picture on one core; a probe of the suite production is 9 pictures\n", "found", "cost", float64(m.took)/1e6)
	if m.model > 0 {
		fmt.Fprintf(w, "%-10s  %-13s about %s for the loaded model and one picture\n", "found", "memory", amount(m.model))
	}
	switch {
	case len(m.unsupported) == 0:
		fmt.Fprintf(w, "%-10s  %-13s yes (%s): FGSM, PGD and CW attacks will work\n", "found", "gradient", m.margin)
	default:
		fmt.Fprintf(w, "%-10s  %-13s no, because of %s: attacks fall back to those by queries (Square, NES)\n", "warning", "gradient", strings.Join(m.unsupported, "; "))
	}
	if len(m.outputs) > 0 {
		fmt.Fprintf(w, "%-10s  %-13s P(fake) as guessed, for %d of your pictures: %.3g to %.3g\n", "found", "scores", len(m.outputs), slices.Min(m.outputs), slices.Max(m.outputs))
	}
}

func orUnknown(text string) string {
	if text == "" {
		return "an unknown exporter"
	}
	return text
}

// amount writes a number of bytes.
func amount(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + " " + text[i:]
	}
	return text
}

// wrap breaks a text at blanks into lines of so many characters, all but the first indented.
func wrap(text string, indent, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		if at > 0 && at+1+len(word) > width {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = 0
		} else if i > 0 {
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	return b.String()
}
