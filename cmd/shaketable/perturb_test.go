//go:build cgo

package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"shaketable/perturb"
)

// drawn is a picture with edges, a slope and colours, of any size.
func drawn(width, height int) *image.RGBA {
	pic := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{uint8(30 + 180*x/width), uint8(40 + 150*y/height), 90, 255}
			if (x/7+y/5)%4 == 0 {
				c = color.RGBA{220, 60, uint8(50 + (x*13+y*7)%120), 255}
			}
			pic.SetRGBA(x, y, c)
		}
	}
	return pic
}

func writePNG(t *testing.T, path string, pic image.Image) string {
	t.Helper()
	var text bytes.Buffer
	if err := png.Encode(&text, pic); err != nil {
		t.Fatal(err)
	}
	return writeBytes(t, path, text.Bytes())
}

func writeBytes(t *testing.T, path string, text []byte) string {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	pic, err := png.Decode(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return pic
}

// perturbed runs the command, which must do well, and returns the bytes of what it wrote, by name.
func perturbed(t *testing.T, args ...string) (files map[string][]byte, dir, stdout string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "new", "out")
	code, stdout, stderr := evaluated(t, append([]string{"perturb", "--out", dir}, args...))
	if code != exitFine {
		t.Fatalf("exit %d\n%s\n%s", code, stdout, stderr)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, entry := range entries {
		if files[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files, dir, stdout
}

func TestPerturb(t *testing.T) {
	pic := drawn(75, 61)
	path := writePNG(t, filepath.Join(t.TempDir(), "a.png"), pic)
	files, dir, stdout := perturbed(t, "--suite", "production", "--image", path)
	suite, err := perturb.Lookup("production")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(suite.Variants)+2 {
		t.Errorf("%d files: %s", len(files), stdout)
	}
	for name := range files {
		if got := readPNG(t, filepath.Join(dir, name)); name != "contact-sheet.png" && got.Bounds().Size() != image.Pt(75, 61) {
			t.Errorf("%s is %v", name, got.Bounds())
		}
		if !strings.Contains(stdout, name) {
			t.Errorf("it does not say that it wrote %s:\n%s", name, stdout)
		}
	}
	clean, gain := readPNG(t, filepath.Join(dir, "clean.png")), readPNG(t, filepath.Join(dir, "gain-2.png"))
	for y := range 61 {
		for x := range 75 {
			want := pic.RGBAAt(x, y)
			if got := color.RGBAModel.Convert(clean.At(x, y)); got != want {
				t.Fatalf("clean at %d,%d: %v, want %v", x, y, got, want)
			}
			for _, c := range []*uint8{&want.R, &want.G, &want.B} {
				*c = uint8(math.Floor(.725*float64(*c) + .5))
			}
			if got := color.RGBAModel.Convert(gain.At(x, y)); got != want {
				t.Fatalf("gain 0.725 at %d,%d: %v, want %v", x, y, got, want)
			}
		}
	}
}

// TestPerturbAgain: the same again is the same bytes; another media id moves the random families and nothing else.
func TestPerturbAgain(t *testing.T) {
	path := writePNG(t, filepath.Join(t.TempDir(), "a.png"), drawn(64, 48))
	first, _, _ := perturbed(t, "--suite", "production", "--image", path)
	again, _, _ := perturbed(t, "--suite", "production", "--image", path, "--media-id", "a.png")
	other, _, _ := perturbed(t, "--suite", "production", "--image", path, "--media-id", "b.png")
	for name := range first {
		if !bytes.Equal(first[name], again[name]) {
			t.Errorf("%s differs the second time", name)
		}
		random := strings.HasPrefix(name, "gaussian_noise") || name == "contact-sheet.png"
		if bytes.Equal(first[name], other[name]) == random {
			t.Errorf("%s under another media id: the same is %v", name, !random)
		}
	}
}

// TestPerturbOwnSuite: a variant of deepfake-v1 is the same picture when it is written out.
func TestPerturbOwnSuite(t *testing.T) {
	path := writePNG(t, filepath.Join(t.TempDir(), "a.png"), drawn(64, 48))
	suite, _, _ := perturbed(t, "--image", path)
	own, _, stdout := perturbed(t, "--image", path, "--suite", "jpeg(q=60), motion_blur(radius=15, sigma=5), gaussian_noise@2, gain")
	for name, same := range map[string]string{"jpeg-1.png": "jpeg-3.png", "motion_blur-1.png": "motion_blur-2.png",
		"gaussian_noise-1.png": "gaussian_noise-2.png", "gain-4.png": "gain-4.png"} {
		if len(own[name]) == 0 || !bytes.Equal(own[name], suite[same]) {
			t.Errorf("%s is not %s of deepfake-v1\n%s", name, same, stdout)
		}
	}
	if len(own) != 3+5+2 {
		t.Errorf("%d files\n%s", len(own), stdout)
	}
}

// TestPerturbUpright: a picture that is stored on its side comes out as a person sees it.
func TestPerturbUpright(t *testing.T) {
	var text bytes.Buffer
	if err := jpeg.Encode(&text, drawn(64, 32), nil); err != nil {
		t.Fatal(err)
	}
	const turnClockwise = "\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
	turned := slices.Insert(text.Bytes(), 2, []byte(turnClockwise)...)
	path := writeBytes(t, filepath.Join(t.TempDir(), "a.jpg"), turned)
	_, dir, _ := perturbed(t, "--image", path, "--suite", "gain@1")
	if size := readPNG(t, filepath.Join(dir, "gain-1.png")).Bounds().Size(); size != image.Pt(32, 64) {
		t.Errorf("the upright picture is %v", size)
	}
}

func TestPerturbRefuses(t *testing.T) {
	dir := t.TempDir()
	good := writePNG(t, filepath.Join(dir, "good.png"), drawn(32, 32))
	pipe := filepath.Join(dir, "pipe.png")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no flags":      {nil, exitUsage, "--image is missing"},
		"no out":        {[]string{"--image", good}, exitUsage, "--out is missing"},
		"an argument":   {[]string{good}, exitUsage, "takes no arguments"},
		"out":           {[]string{"--image", good, "--out", good}, exitUsage, "is a file"},
		"no file":       {[]string{"--image", filepath.Join(dir, "nowhere.png")}, exitUsage, "no such file"},
		"a folder":      {[]string{"--image", dir}, exitUsage, "is not a regular file"},
		"a pipe":        {[]string{"--image", pipe}, exitUsage, "is not a regular file"},
		"suite in list": {[]string{"--image", good, "--suite", "deepfake-v1, jpeg(q=3)"}, exitUsage, "deepfake-v1 is a suite"},
		"no picture":    {[]string{"--image", writeBytes(t, filepath.Join(dir, "a.txt"), []byte("%PDF-1.7"))}, exitUsage, "it looks like PDF"},
		"empty":         {[]string{"--image", writeBytes(t, filepath.Join(dir, "b.txt"), nil)}, exitUsage, "there are no bytes"},
		"cut off":       {[]string{"--image", writeBytes(t, filepath.Join(dir, "c.png"), []byte("\x89PNG\r\n\x1a\n"))}, exitUsage, "PNG: "},
		"too small":     {[]string{"--image", writePNG(t, filepath.Join(dir, "d.png"), drawn(32, 15))}, exitUsage, "32 x 15 pixels: both sides must be 16 to 4096"},
		"too large":     {[]string{"--image", writePNG(t, filepath.Join(dir, "e.png"), drawn(4097, 16))}, exitUsage, "4097 x 16 pixels: both sides must be 16 to 4096"},
		"suite":         {[]string{"--image", good, "--suite", "deepfake-v9"}, exitUsage, "known are production, deepfake-v1"},
		"family":        {[]string{"--image", good, "--suite", "fog@1, haze(q=1)"}, exitUsage, `unknown perturbation family "haze"`},
		"parameter":     {[]string{"--image", good, "--suite", "jpeg(q=600)"}, exitUsage, "q is 600"},
		"every fault":   {[]string{"--image", good, "--suite", "jpeg(q=600), gain@7"}, exitUsage, `severity "7"`},
		"codec":         {[]string{"--image", good, "--codec", "libjpeg"}, exitUsage, "--codec: "},
		"unknown flag":  {[]string{"--picture", good}, exitUsage, "unknown flag"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := []string{"perturb", "--out", out}
			if name == "no out" {
				args = args[:1]
			}
			code, stdout, stderr := evaluated(t, append(args, c.args...))
			if code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, want %d\n%s\n%s\nwant it to say %q", code, c.code, stdout, stderr, c.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("it wrote something")
			}
		})
	}
}

func TestPerturbInterrupted(t *testing.T) {
	path := writePNG(t, filepath.Join(t.TempDir(), "a.png"), drawn(32, 32))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"perturb", "--image", path, "--out", t.TempDir()}, &stdout, &stderr); code != exitFailed || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

// TestPerturbInParts: how many pictures are held at a time moves no byte.
func TestPerturbInParts(t *testing.T) {
	path := writePNG(t, filepath.Join(t.TempDir(), "a.png"), drawn(48, 32))
	var texts [2]map[string][]byte
	for i, atOnce := range []int64{1, perturbAtOnce} {
		dir := t.TempDir()
		var stdout, stderr bytes.Buffer
		o := perturbOptions{suite: "production", image: path, out: dir, atOnce: atOnce}
		if err := o.run(t.Context(), time.Now, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		texts[i] = map[string][]byte{}
		for _, name := range []string{"jpeg-4.png", "gaussian_noise-2.png", "contact-sheet.png"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			texts[i][name] = text
		}
	}
	for name := range texts[0] {
		if !bytes.Equal(texts[0][name], texts[1][name]) {
			t.Errorf("%s depends on how many are made at a time", name)
		}
	}
}

func TestPerturbList(t *testing.T) {
	code, stdout, stderr := evaluated(t, []string{"perturb", "--list"})
	if code != exitFine {
		t.Fatal(stderr)
	}
	for _, f := range perturb.Families() {
		if !strings.Contains(stdout, "\n"+f.Name+"\n") && !strings.HasPrefix(stdout, f.Name+"\n") {
			t.Errorf("%s is not listed", f.Name)
		}
	}
	for _, name := range perturb.Suites() {
		if !strings.Contains(stdout, "suite "+name+", version ") {
			t.Errorf("suite %s is not listed", name)
		}
	}
	for _, want := range []string{"q = 90, 75, 60, 40, 25", "radius=10, sigma=3; radius=15, sigma=5"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	for line := range strings.Lines(stdout) {
		if len([]rune(line)) > listWidth+1 {
			t.Errorf("too wide: %s", line)
		}
	}
}
