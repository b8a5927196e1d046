package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// pngOf encodes a picture without loss.
func pngOf(t testing.TB, m Image) []byte {
	t.Helper()
	n := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		n.Set(i%m.Width, i/m.Width, color.NRGBA{R: m.Pix[3*i], G: m.Pix[3*i+1], B: m.Pix[3*i+2], A: 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, n); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func noiseImage(w, h int) Image {
	m := Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	for i := range m.Pix {
		m.Pix[i] = byte(rng.Uint32())
	}
	return m
}

// part is an independent crop.
func part(m Image, x, y, w, h int) []byte {
	var out []byte
	for j := y; j < y+h; j++ {
		out = append(out, m.Pix[3*(j*m.Width+x):3*(j*m.Width+x+w)]...)
	}
	return out
}

func prepared(t *testing.T, data []byte, d *Detection, w, h int, method, fit string) Image {
	t.Helper()
	img, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), data, d, inputOf(w, h, method, fit))
	if err != nil {
		t.Fatal(err)
	}
	if img.Width != w || img.Height != h || len(img.Pix) != 3*w*h {
		t.Fatalf("%dx%d with %d bytes, want %dx%d", img.Width, img.Height, len(img.Pix), w, h)
	}
	return img
}

func wantReason(t *testing.T, err error, reason, text string) {
	t.Helper()
	var p *PrepareError
	if !errors.As(err, &p) || p.Reason != reason || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want reason %s and %q", err, reason, text)
	}
}

func TestPrepareKeepsTheDetectorsOwnSize(t *testing.T) {
	m := noiseImage(256, 256)
	for _, method := range []string{"nearest", "bilinear", "area", "bicubic"} {
		for _, fit := range []string{"stretch", "crop", "letterbox"} {
			if got := prepared(t, pngOf(t, m), nil, 256, 256, method, fit); !bytes.Equal(got.Pix, m.Pix) {
				t.Errorf("%s %s: not bit-identical", method, fit)
			}
		}
	}
}

func TestPrepareReadsAcceptanceMediaUnchanged(t *testing.T) {
	files, _ := filepath.Glob(acceptanceDir() + "/media/*.png")
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no acceptance media: set SHAKETABLE_ACCEPTANCE")
		}
		t.Skip("no acceptance media: set SHAKETABLE_ACCEPTANCE to compare with them")
	}
	for _, f := range files[:min(len(files), 20)] {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		for i := range 256 * 256 {
			r, g, b, _ := m.At(i%256, i/256).RGBA()
			want = append(want, byte(r>>8), byte(g>>8), byte(b>>8))
		}
		if got := prepared(t, data, &Detection{}, 256, 256, "bilinear", "stretch"); !bytes.Equal(got.Pix, want) {
			t.Errorf("%s: pixels differ from those in the file", filepath.Base(f))
		}
	}
}

func TestPrepareCropsTheRegion(t *testing.T) {
	m := noiseImage(20, 10)
	data := pngOf(t, m)
	for _, c := range []struct {
		name       string
		r          Region
		x, y, w, h int
	}{
		{"whole", Region{}, 0, 0, 20, 10},
		{"whole, with an id", Region{ID: "face-1"}, 0, 0, 20, 10},
		{"whole pixels", Region{X: 3, Y: 2, W: 5, H: 4}, 3, 2, 5, 4},
		{"rounded outward", Region{X: 3.9, Y: 2.5, W: 1.2, H: 1}, 3, 2, 3, 2},
		{"rounding errors do not add a pixel", Region{X: .1 + .2 - .3 + 3, Y: 2, W: 2.0000000001, H: 1}, 3, 2, 2, 1},
		{"less than a pixel", Region{X: 3.4, Y: 2.4, W: .2, H: .2}, 3, 2, 1, 1},
		{"out by a pixel at the top left", Region{X: -1, Y: -.5, W: 4, H: 4.5}, 0, 0, 3, 4},
		{"out by a pixel at the bottom right", Region{X: 18, Y: 8, W: 3, H: 2.7}, 18, 8, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := prepared(t, data, &Detection{Region: c.r}, c.w, c.h, "bilinear", "stretch")
			if !bytes.Equal(got.Pix, part(m, c.x, c.y, c.w, c.h)) {
				t.Error("other pixels than those of the box")
			}
		})
	}
	nan := math.NaN()
	for _, r := range []Region{
		{X: -1.1, Y: 0, W: 5, H: 5}, {X: 0, Y: -2, W: 5, H: 5}, {X: 16, Y: 0, W: 5.2, H: 5}, {X: 0, Y: 6, W: 5, H: 5.5},
		{X: 500, Y: 500, W: 5, H: 5}, {X: -1, Y: 0, W: 1, H: 5}, {X: 20, Y: 0, W: 1, H: 1}, {X: 1, Y: 1}, {W: 5}, {W: -5, H: 5},
		{X: nan, Y: 0, W: 5, H: 5}, {W: nan, H: nan}, {X: nan}, {W: math.Inf(1), H: 5}, {X: -math.MaxFloat64, W: math.MaxFloat64, H: 1},
	} {
		_, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), data, &Detection{Region: r}, inputOf(8, 8, "area", "stretch"))
		wantReason(t, err, ReasonRegion, "the box [")
	}
}

// TestPrepareCropsUprightPixels: the region speaks of the picture as it is seen. The golden pictures are upright, by Pillow.
func TestPrepareCropsUprightPixels(t *testing.T) {
	var cases []decoded
	readGolden(t, "decode.json", &cases)
	seen := 0
	for _, c := range cases {
		if !strings.HasPrefix(c.Name, "orientation") || strings.Contains(c.Name, "jpeg") {
			continue
		}
		seen++
		d := &Detection{Region: Region{X: 1, Y: 2, W: 3, H: 2}}
		got := prepared(t, c.Data, d, 3, 2, "bilinear", "stretch")
		want := part(Image{Width: c.Width, Height: c.Height, Pix: c.RGB}, 1, 2, 3, 2)
		if !bytes.Equal(got.Pix, want) {
			t.Errorf("%s: the crop is not that of the upright picture", c.Name)
		}
	}
	if seen != 16 {
		t.Errorf("%d pictures, want 8 PNG and 8 WebP", seen)
	}
}

func TestPrepareIgnoresExifWhenTold(t *testing.T) {
	var cases []decoded
	readGolden(t, "decode.json", &cases)
	at := func(name string) decoded {
		return cases[slices.IndexFunc(cases, func(c decoded) bool { return c.Name == name })]
	}
	cfg := DefaultPrepareConfig()
	cfg.Exif = "ignore"
	turned, upright := at("orientation 6 png"), at("orientation 1 png")
	img, err := NewPreparer(cfg).Prepare(context.Background(), turned.Data, nil, inputOf(upright.Width, upright.Height, "area", "stretch"))
	if err != nil || !bytes.Equal(img.Pix, upright.RGB) {
		t.Errorf("exif: ignore: error %v, or not the pixels as they are stored", err)
	}
}

// TestPrepareCropIsPartOfWhole: cropping before the chroma is up-sampled gives the pixels of cropping after.
func TestPrepareCropIsPartOfWhole(t *testing.T) {
	var cases []decoded
	readGolden(t, "decode.json", &cases)
	for _, c := range cases {
		if c.Width < 8 || c.Height < 8 {
			continue
		}
		whole := prepared(t, c.Data, nil, c.Width, c.Height, "area", "stretch")
		for _, box := range [][4]int{{0, 0, 3, 3}, {1, 1, 4, 5}, {2, 3, 1, 1}, {c.Width - 3, c.Height - 4, 3, 4}, {5, 0, 2, c.Height}} {
			d := &Detection{Region: Region{X: float64(box[0]), Y: float64(box[1]), W: float64(box[2]), H: float64(box[3])}}
			got := prepared(t, c.Data, d, box[2], box[3], "area", "stretch")
			if !bytes.Equal(got.Pix, part(whole, box[0], box[1], box[2], box[3])) {
				t.Errorf("%s: box %v differs from the same part of the whole", c.Name, box)
			}
		}
	}
}

func TestPrepareFits(t *testing.T) {
	wide := Image{Width: 40, Height: 20, Pix: make([]byte, 3*40*20)}
	for i := range wide.Pix {
		switch x := i / 3 % 40; { // left quarter red, middle green, right quarter blue
		case x < 10 && i%3 == 0, x >= 10 && x < 30 && i%3 == 1, x >= 30 && i%3 == 2:
			wide.Pix[i] = 255
		}
	}
	red, green, blue, black := "ff0000", "00ff00", "0000ff", "000000"
	for _, c := range []struct {
		fit  string
		want [4]string // at (0,10), (6,10), (19,10), (10,0) of 20x20
	}{
		{"stretch", [4]string{red, green, blue, green}},
		{"crop", [4]string{green, green, green, green}},
		{"letterbox", [4]string{red, green, blue, black}},
	} {
		for _, method := range []string{"nearest", "bilinear", "area", "bicubic"} {
			got := prepared(t, pngOf(t, wide), nil, 20, 20, method, c.fit)
			for i, at := range []int{10 * 20, 10*20 + 6, 10*20 + 19, 10} {
				if s := hex.EncodeToString(got.Pix[3*at : 3*at+3]); s != c.want[i] {
					t.Errorf("%s %s: pixel %d is %s, want %s", method, c.fit, i, s, c.want[i])
				}
			}
		}
	}
}

// TestPrepareFitsCutWithoutHoldingTheRest: a strip that would be 4 million pixels long when it fills the input.
func TestPrepareFitsCutWithoutHoldingTheRest(t *testing.T) {
	data := pngOf(t, noiseImage(16384, 1))
	p := NewPreparer(DefaultPrepareConfig())
	for _, method := range []string{"nearest", "bilinear", "area", "bicubic"} {
		for _, fit := range []string{"crop", "letterbox", "stretch"} {
			bytes := allocated(func() {
				if _, err := p.Prepare(context.Background(), data, nil, inputOf(256, 256, method, fit)); err != nil {
					t.Error(err)
				}
			})
			if bytes > 4<<20 {
				t.Errorf("%s %s: %d bytes", method, fit, bytes)
			}
		}
	}
}

func TestScaleKeepsAFlatPictureFlat(t *testing.T) {
	flat := Image{Width: 37, Height: 29, Pix: bytes.Repeat([]byte{7, 130, 255}, 37*29)}
	for _, method := range []string{"nearest", "bilinear", "area", "bicubic"} {
		for _, size := range [][2]int{{1, 1}, {36, 30}, {100, 3}, {3, 100}, {224, 224}} {
			for _, fit := range []string{"stretch", "crop"} {
				s, err := newScaler(inputOf(size[0], size[1], method, fit))
				if err != nil {
					t.Fatal(err)
				}
				if got := s.scale(flat); !bytes.Equal(got.Pix, bytes.Repeat([]byte{7, 130, 255}, size[0]*size[1])) {
					t.Errorf("%s %s to %v: a flat picture did not stay flat", method, fit, size)
				}
			}
		}
	}
}

func TestPrepareChecksTheDigest(t *testing.T) {
	data := pngOf(t, noiseImage(4, 4))
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	for _, ref := range []MediaRef{{SHA256: digest}, {SHA256: strings.ToUpper(digest), Size: int64(len(data))}, {}} {
		prepared(t, data, &Detection{Media: ref}, 4, 4, "area", "stretch")
	}
	for _, ref := range []MediaRef{{SHA256: strings.Repeat("0", 64)}, {SHA256: "abc"}, {Size: int64(len(data)) + 1}, {SHA256: digest, Size: 1}} {
		_, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), data, &Detection{Media: ref}, inputOf(4, 4, "area", "stretch"))
		wantReason(t, err, ReasonDigest, "the detection names")
	}
}

func TestPrepareWaitsForMemory(t *testing.T) {
	data := pngOf(t, noiseImage(64, 64))
	synctest.Test(t, func(t *testing.T) {
		p := NewPreparer(DefaultPrepareConfig())
		if err := p.memory.Acquire(context.Background(), p.cfg.DecodeBytes-1000); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := p.Prepare(context.Background(), data, nil, inputOf(8, 8, "area", "stretch"))
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it decoded without memory: %v", err)
		default:
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := p.Prepare(ctx, data, nil, inputOf(8, 8, "area", "stretch"))
		wantReason(t, err, ReasonTimeout, "waiting for memory")
		if !errors.Is(err, context.Canceled) {
			t.Error("the cause is not in the chain")
		}
		p.memory.Release(p.cfg.DecodeBytes - 1000)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !p.memory.TryAcquire(p.cfg.DecodeBytes) {
			t.Error("memory was not given back")
		}
	})
}

func TestPrepareConfigValidate(t *testing.T) {
	if es := DefaultPrepareConfig().Validate(); es != nil {
		t.Errorf("the defaults are refused: %v", es)
	}
	var got []string
	for _, err := range (PrepareConfig{Exif: "maybe"}).Validate() {
		got = append(got, strings.SplitN(err.Error(), ":", 2)[0])
	}
	if want := "[max_bytes max_pixels max_side max_scans decode_bytes exif]"; fmt.Sprint(got) != want {
		t.Errorf("faults in %v, want %s", got, want)
	}
}

func TestNewScalerRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct {
		w, h              int
		method, fit, want string
	}{{0, 8, "area", "crop", "0x8"}, {8, 8, "lanczos", "crop", `"lanczos"`}, {8, 8, "area", "", `""`}} {
		_, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), nil, nil, inputOf(c.w, c.h, c.method, c.fit))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want it to name %s", err, c.want)
		}
	}
}
