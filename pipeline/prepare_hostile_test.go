package pipeline

import (
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// allocated returns the bytes that f allocates, in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// pngHeader is a PNG that ends after its IHDR.
func pngHeader(w, h uint32, depth, colour byte) []byte {
	body := append([]byte("IHDR"), 0, 0, 0, 0, 0, 0, 0, 0, depth, colour, 0, 0, 0)
	binary.BigEndian.PutUint32(body[4:], w)
	binary.BigEndian.PutUint32(body[8:], h)
	out := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
}

// jpegHeader420 is a JPEG that ends after its frame header; sof is 0xc0 for baseline, 0xc2 for progressive.
func jpegHeader420(w, h uint16, sof byte) []byte {
	return []byte{0xff, 0xd8, 0xff, sof, 0, 17, 8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0,
		0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0}
}

func gifHeader(w, h uint16) []byte {
	out := append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	return append(out, 0x2c, 0, 0, 0, 0, byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 2, 1, 0x44, 0, 0x3b)
}

func TestPrepareRefusesBombsBeforeDecoding(t *testing.T) {
	for _, c := range []struct {
		name string
		data []byte
		text string
	}{
		{"30000x30000 PNG of 33 bytes", pngHeader(30000, 30000, 8, 6), "prepare.max_side"},
		{"16000x16000 1 bit PNG", pngHeader(16000, 16000, 1, 0), "prepare.max_pixels"},
		{"PNG with sides of 31 bits", pngHeader(1<<31-1, 1<<31-1, 8, 6), ""},
		{"65535x65535 JPEG", jpegHeader420(65535, 65535, 0xc0), "prepare.max_side"},
		{"10000x10000 JPEG", jpegHeader420(10000, 10000, 0xc0), "prepare.max_pixels"},
		{"16384x3051 progressive JPEG", jpegHeader420(16384, 3051, 0xc2), "prepare.decode_bytes"},
		{"65535x65535 GIF", gifHeader(65535, 65535), "prepare.max_side"},
		{"file over the limit", make([]byte, 32<<20+1), "prepare.max_bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPreparer(DefaultPrepareConfig())
			var err error
			n, took := uint64(math.MaxUint64), time.Hour
			for range 5 { // the least of some: other tests and other processes are at work, too
				began := time.Now()
				n = min(n, allocated(func() {
					_, err = p.Prepare(context.Background(), c.data, nil, inputOf(256, 256, "area", "stretch"))
				}))
				took = min(took, time.Since(began))
			}
			if c.text == "" {
				if err == nil {
					t.Error("it was accepted")
				}
			} else {
				wantReason(t, err, ReasonTooLarge, c.text)
			}
			if n > 1<<20 || took > 5*time.Millisecond {
				t.Errorf("it cost %d bytes and %s", n, took)
			}
		})
	}
}

func TestPrepareRefusesWhatIsNoPicture(t *testing.T) {
	whole := pngOf(t, noiseImage(16, 16))
	var j bytes.Buffer
	if err := jpeg.Encode(&j, image.NewGray(image.Rect(0, 0, 64, 64)), nil); err != nil {
		t.Fatal(err)
	}
	animated := append([]byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00"), 7, 0, 0, 7, 0, 0)
	for _, c := range []struct {
		name string
		data []byte
		text string
	}{
		{"nothing", nil, "there are no bytes"},
		{"text named .jpg", []byte("hello, this is text"), "it begins with 68 65 6c 6c 6f"},
		{"a page instead of the picture", []byte("<!doctype html><title>403"), "HTML"},
		{"base64 that was not decoded", []byte(base64.StdEncoding.EncodeToString(whole)), "base64 text of a PNG"},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), "TIFF"},
		{"BMP", []byte("BM6\x00\x00\x00"), "BMP"},
		{"HEIC", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "HEIC"},
		{"clip", []byte("\x00\x00\x00\x18ftypisom\x00\x00\x00\x00"), "MP4"},
		{"cut PNG", whole[:len(whole)/2], "PNG: "},
		{"cut JPEG", j.Bytes()[:j.Len()-20], "JPEG: "},
		{"magic only", []byte("\xff\xd8\xff"), "JPEG: "},
		{"RIFF that is sound", []byte("RIFF\x24\x00\x00\x00WAVEfmt "), "not a JPEG"},
		{"empty WebP", []byte("RIFF\x04\x00\x00\x00WEBP"), "WebP: "},
		{"animated WebP", animated, "animated"},
		{"PNG of no size", pngHeader(0, 10, 8, 2), "PNG: "},
		{"JPEG of no size", jpegHeader420(0, 0, 0xc0), "JPEG: "},
		{"GIF without a frame", []byte("GIF89a\x05\x00\x05\x00\x00\x00\x00\x3b"), "GIF: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), c.data, nil, inputOf(8, 8, "area", "stretch"))
			wantReason(t, err, ReasonUndecodable, c.text)
		})
	}
}

func TestPrepareRefusesBadPicturesOfGo(t *testing.T) {
	folder := goTool(t, "env", "GOROOT") + "/src/image/png/testdata/"
	for _, name := range []string{"crc32", "noend", "trunc", "zlib"} { // "palette" is an index beyond its palette: shown black
		data, err := os.ReadFile(folder + "invalid-" + name + ".png")
		if err != nil {
			t.Fatal(err)
		}
		_, err = NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), data, nil, inputOf(8, 8, "area", "stretch"))
		wantReason(t, err, ReasonUndecodable, "PNG: ")
	}
	suite, _ := filepath.Glob(folder + "pngsuite/*.png")
	for _, f := range suite {
		data, _ := os.ReadFile(f)
		prepared(t, data, nil, 8, 8, "area", "stretch")
	}
	if len(suite) < 20 {
		t.Errorf("only %d files of the PNG suite", len(suite))
	}
}

func TestPrepareBoundsHuffmanGroupsOfWebP(t *testing.T) {
	f, err := os.Open(filepath.Join(xImage(t), "large-huffman-index.lossless.webp.bz2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	var refused error
	n := allocated(func() {
		_, refused = NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), data, nil, inputOf(8, 8, "area", "stretch"))
	})
	if n > 256<<20 {
		t.Errorf("a file of %d bytes cost %d (%v)", len(data), n, refused)
	}
}

func TestPrepareTakesOneFrameOfAGIF(t *testing.T) {
	var g gif.GIF
	for range 200 {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 500, 500), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	if n := allocated(func() { prepared(t, b.Bytes(), nil, 8, 8, "area", "stretch") }); n > 3<<20 {
		t.Errorf("%d bytes for one frame of 500x500", n)
	}
}

func TestPrepareCountsScans(t *testing.T) {
	var cases []decoded
	readGolden(t, "decode.json", &cases)
	for _, c := range cases {
		if c.Name != "jpeg progressive 4:2:0" {
			continue
		}
		if s := scanJPEG(c.Data); s.scans != 10 || !s.progressive || s.components != 3 || s.samples != 2*2*64*6 {
			t.Errorf("%+v: libjpeg writes 10 scans; 23x17 are 2x2 MCUs of 6 blocks", s)
		}
		last := bytes.LastIndex(c.Data, []byte{0xff, 0xda})
		scan := c.Data[last : len(c.Data)-2]
		bomb := append(bytes.Clone(c.Data[:last]), bytes.Repeat(scan, 60)...)
		_, err := NewPreparer(DefaultPrepareConfig()).Prepare(context.Background(), append(bomb, 0xff, 0xd9), nil, inputOf(8, 8, "area", "stretch"))
		wantReason(t, err, ReasonTooLarge, "69 scans")
	}
}

// TestPrepareEstimatesMemoryFromAbove holds the estimate, on which the bound over all decodes rests, against what decoding
// and converting allocate.
func TestPrepareEstimatesMemoryFromAbove(t *testing.T) {
	goImages, xImages := goTool(t, "env", "GOROOT")+"/src/image/", xImage(t)
	p := NewPreparer(DefaultPrepareConfig())
	for _, f := range []string{
		goImages + "testdata/video-001.jpeg", goImages + "testdata/video-001.progressive.jpeg", goImages + "testdata/video-001.q50.444.progressive.jpeg",
		goImages + "testdata/video-001.q50.410.progressive.jpeg", goImages + "testdata/video-001.cmyk.jpeg", goImages + "testdata/video-001.rgb.jpeg",
		goImages + "testdata/video-005.gray.jpeg", goImages + "png/testdata/benchRGB.png", goImages + "png/testdata/benchRGB-interlace.png",
		goImages + "png/testdata/benchNRGBA-gradient.png", goImages + "png/testdata/benchPaletted.png", goImages + "testdata/video-001.gif",
		xImages + "/blue-purple-pink-large.normal-filter.lossy.webp", xImages + "/blue-purple-pink-large.lossless.webp",
		xImages + "/yellow_rose.lossy-with-alpha.webp", xImages + "/tux.lossless.webp",
	} {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		h, err := p.header(data)
		if err != nil {
			t.Fatal(err)
		}
		box := image.Rect(0, 0, h.width, h.height)
		n := int64(allocated(func() {
			if _, err := h.crop(context.Background(), data, box); err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}))
		const tables = 64 << 10 // Huffman tables and buffers of the file: they don't grow with the picture
		if estimate := h.memory + 6*h.area(); n > estimate+tables || estimate > 4*(n+tables) {
			t.Errorf("%s: %d bytes, estimated %d", filepath.Base(f), n, estimate)
		}
	}
}

func TestPrepareSurvivesADecoderThatPanics(t *testing.T) {
	h := pictureHeader{format: "PNG", width: 1, height: 1, decode: func(io.Reader) (image.Image, error) { panic("index out of range") }}
	_, err := h.crop(context.Background(), nil, image.Rect(0, 0, 1, 1))
	wantReason(t, err, ReasonUndecodable, "panicked: index out of range")
}

func TestPrepareStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	h := pictureHeader{format: "PNG", width: 1, height: 1, decode: func(r io.Reader) (image.Image, error) {
		cancel()
		_, err := r.Read(make([]byte, 1))
		return nil, err
	}}
	_, err := h.crop(ctx, []byte("data"), image.Rect(0, 0, 1, 1))
	wantReason(t, err, ReasonTimeout, "context canceled")
}

func TestOrientationOfBrokenExif(t *testing.T) {
	good := []byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00")
	change := func(at int, b ...byte) []byte { c := bytes.Clone(good); copy(c[at:], b); return c }
	for _, c := range []struct {
		name string
		tiff []byte
		want orientation
	}{
		{"good", good, 6},
		{"big-endian", []byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"), 8},
		{"nil", nil, 1},
		{"no byte order", change(0, 'X', 'X'), 1},
		{"offset beyond the end", change(4, 0xff, 0xff, 0xff, 0xff), 1},
		{"offset at the last byte", change(4, byte(len(good)-1)), 1},
		{"more entries than bytes", change(8, 0xff, 0xff, 0x13), 1},
		{"type is text", change(12, 2), 1},
		{"0", change(18, 0), 1},
		{"9", change(18, 9), 1},
		{"65535", change(18, 0xff, 0xff), 1},
		{"cut entry", good[:16], 1},
	} {
		if got := orientationOf(c.tiff); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	for n := range good {
		if got := orientationOf(good[:n]); got != 1 {
			t.Errorf("cut after %d bytes: %d", n, got)
		}
	}
}

// FuzzPrepare: whatever the bytes, the result is a picture of the input's size or a refusal with a reason.
func FuzzPrepare(f *testing.F) {
	var cases []decoded
	readGolden(f, "decode.json", &cases)
	for i, c := range cases {
		f.Add(c.Data, float64(i%3), float64(i%5), float64(i%4), float64(i%4))
	}
	f.Add(gifHeader(9, 9), 0., 0., 0., 0.)
	f.Add(jpegHeader420(9, 9, 0xc2), 0., 0., 0., 0.)
	cfg := PrepareConfig{MaxBytes: 1 << 20, MaxPixels: 1 << 18, MaxSide: 4096, MaxScans: 20, DecodeBytes: 8 << 20, Exif: "apply"}
	p := NewPreparer(cfg)
	f.Fuzz(func(t *testing.T, data []byte, x, y, w, h float64) {
		d := &Detection{Region: Region{X: x, Y: y, W: w, H: h}}
		for _, in := range []struct{ method, fit string }{{"bilinear", "stretch"}, {"area", "crop"}, {"bicubic", "letterbox"}, {"nearest", "crop"}} {
			img, err := p.Prepare(context.Background(), data, d, inputOf(16, 12, in.method, in.fit))
			if err != nil {
				if prepareReason(err) == "" || strings.Contains(err.Error(), "panicked") {
					t.Fatal(err)
				}
				return
			}
			if img.Width != 16 || img.Height != 12 || len(img.Pix) != 3*16*12 {
				t.Fatalf("%dx%d with %d bytes", img.Width, img.Height, len(img.Pix))
			}
		}
	})
}

// BenchmarkPrepare converts, turns and scales the photo of a phone; its decoding is not in it.
func BenchmarkPrepare(b *testing.B) {
	photo := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	for i := range photo.Y {
		photo.Y[i] = byte(i * 7)
	}
	h := pictureHeader{format: "JPEG", width: 4000, height: 3000, orientation: 6, decode: func(io.Reader) (image.Image, error) { return photo, nil }}
	for _, method := range []string{"nearest", "bilinear", "area", "bicubic"} {
		b.Run("12MP-4:2:0-"+method, func(b *testing.B) {
			s, err := newScaler(inputOf(256, 256, method, "stretch"))
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				m, err := h.crop(context.Background(), nil, image.Rect(0, 0, 3000, 4000))
				if err != nil {
					b.Fatal(err)
				}
				s.scale(m)
			}
		})
	}
}
