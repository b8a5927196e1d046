package pipeline

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/semaphore"

	"shaketable/perturb"
)

// PrepareError says why a picture could not become the detector's input.
type PrepareError struct {
	Reason string // one of the Reason constants
	Err    error
}

func (e *PrepareError) Error() string { return "prepare: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *PrepareError) Unwrap() error { return e.Err }

func refusal(reason, format string, args ...any) error {
	return &PrepareError{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// PrepareConfig bounds what a picture may cost before and while it is decoded. See [Preparer].
type PrepareConfig struct {
	// MaxBytes of the encoded picture. Default 33554432 (32 MiB).
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxPixels is the largest width times height. Default 50000000.
	MaxPixels int64 `yaml:"max_pixels"`
	// MaxSide is the largest width and the largest height in pixels. Default 16384.
	MaxSide int `yaml:"max_side"`
	// MaxScans of one JPEG: every scan of a progressive JPEG goes over all its blocks again, however few bytes it has.
	// Default 64; encoders write about 10.
	MaxScans int `yaml:"max_scans"`
	// DecodeBytes bounds the estimated memory of all decodes that run at once; others wait. A picture that needs more than
	// this for itself is refused. Default 536870912 (512 MiB).
	DecodeBytes int64 `yaml:"decode_bytes"`
	// Exif is "apply" (turn the picture upright as its EXIF orientation says, like OpenCV's imread) or "ignore" (take the
	// pixels as they are stored, like Pillow's Image.open). Choose what the deployed detector does. Default apply.
	Exif string `yaml:"exif"`
}

// DefaultPrepareConfig returns the defaults of [PrepareConfig].
func DefaultPrepareConfig() PrepareConfig {
	return PrepareConfig{MaxBytes: 32 << 20, MaxPixels: 50e6, MaxSide: 16384, MaxScans: 64, DecodeBytes: 512 << 20, Exif: "apply"}
}

// Validate returns one error per fault; each begins with the key that is at fault.
func (c PrepareConfig) Validate() []error {
	var es []error
	for _, b := range []struct {
		key      string
		value    int64
		min, max int64
	}{
		{"max_bytes", c.MaxBytes, 1, 1 << 31}, {"max_pixels", c.MaxPixels, 1, 1 << 31}, {"max_side", int64(c.MaxSide), 1, 1 << 16},
		{"max_scans", int64(c.MaxScans), 1, 10000}, {"decode_bytes", c.DecodeBytes, 1 << 20, 1 << 40},
	} {
		if b.value < b.min || b.value > b.max {
			es = append(es, fmt.Errorf("%s: %d must be %d to %d", b.key, b.value, b.min, b.max))
		}
	}
	if c.Exif != "apply" && c.Exif != "ignore" {
		es = append(es, fmt.Errorf("exif: %q must be apply or ignore", c.Exif))
	}
	return es
}

// Preparer turns the bytes of a media into the picture that a detector takes.
//
// In: bytes from outside, the detection that names their digest and region, the detector's input. Out: uint8 RGB of exactly
// the input's size. Invariant: nothing is allocated for a picture before its header has passed every cap and its
// estimated memory fits under DecodeBytes, together with all others that are being decoded.
//
// Pixels are those that OpenCV and Pillow give: JPEG with libjpeg's chroma up-sampling, WebP with libwebp's, 16 bit
// samples by their high byte, alpha dropped without blending (Pillow's convert("RGB")), colour profiles not applied. Of a
// GIF the first frame is taken, and of an APNG its still picture. An animated WebP, 12 bit or lossless JPEG and a truncated
// file are refused. It is safe for concurrent use.
type Preparer struct {
	cfg    PrepareConfig
	memory *semaphore.Weighted
}

// NewPreparer returns a Preparer under a configuration that has been validated.
func NewPreparer(cfg PrepareConfig) *Preparer {
	return &Preparer{cfg: cfg, memory: semaphore.NewWeighted(cfg.DecodeBytes)}
}

// Prepare decodes data, turns it upright, crops it to the region of d and scales it to in.Width x in.Height. Errors that
// the media is to blame for are *PrepareError; a d of nil is a whole picture of which nothing is known.
func (p *Preparer) Prepare(ctx context.Context, data []byte, d *Detection, in perturb.Input) (Image, error) {
	if d == nil {
		d = &Detection{}
	}
	scale, err := newScaler(in)
	if err != nil {
		return Image{}, err
	}
	if err := p.identify(data, d.Media); err != nil {
		return Image{}, err
	}
	var h pictureHeader
	if err := guardDecoder(func() (err error) { h, err = p.header(data); return err }); err != nil {
		return Image{}, err
	}
	box, err := d.Region.within(h.upright())
	if err != nil {
		return Image{}, err
	}
	need := h.memory + 6*int64(box.Dx())*int64(box.Dy()) + scale.memory(box.Dx(), box.Dy()) // the crop, and once more when it is turned
	if need > p.cfg.DecodeBytes {
		return Image{}, refusal(ReasonTooLarge, "the %dx%d %s needs about %d bytes to decode, more than prepare.decode_bytes %d",
			h.width, h.height, h.format, need, p.cfg.DecodeBytes)
	}
	if err := p.memory.Acquire(ctx, need); err != nil {
		return Image{}, refusal(ReasonTimeout, "waiting for memory to decode: %w", err)
	}
	defer p.memory.Release(need)
	crop, err := h.crop(ctx, data, box)
	if err != nil {
		return Image{}, err
	}
	return scale.scale(crop), nil
}

// identify checks that the bytes are those that the detection names, and few enough.
func (p *Preparer) identify(data []byte, ref MediaRef) error {
	if n := int64(len(data)); n > p.cfg.MaxBytes {
		return refusal(ReasonTooLarge, "%d bytes, more than prepare.max_bytes %d", n, p.cfg.MaxBytes)
	}
	if ref.Size > 0 && ref.Size != int64(len(data)) {
		return refusal(ReasonDigest, "the media has %d bytes, the detection names %d: it was replaced or cut", len(data), ref.Size)
	}
	if ref.SHA256 == "" {
		return nil
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, ref.SHA256) {
		return refusal(ReasonDigest, "the media has SHA-256 %s, the detection names %q: it was replaced or cut", got, ref.SHA256)
	}
	return nil
}

// crop decodes the picture and returns box of it, upright.
func (h pictureHeader) crop(ctx context.Context, data []byte, box image.Rectangle) (Image, error) {
	var pixels Image
	err := guardDecoder(func() error {
		m, err := h.decode(&patientReader{ctx: ctx, r: bytes.NewReader(data)})
		if ctx.Err() != nil {
			return refusal(ReasonTimeout, "decoding the %s: %w", h.format, ctx.Err())
		}
		if err != nil {
			return refusal(ReasonUndecodable, "%s: %w", h.format, err)
		}
		if size := m.Bounds().Size(); size != image.Pt(h.width, h.height) {
			return refusal(ReasonUndecodable, "%s: its header says %dx%d, its data %dx%d", h.format, h.width, h.height, size.X, size.Y)
		}
		stored := h.orientation.stored(box, h.width, h.height)
		pixels = h.orientation.turn(h.rgb(m, stored.Add(m.Bounds().Min)))
		return nil
	})
	return pixels, err
}

// guardDecoder turns a panic of a decoder into a refusal of the picture: a decoder that trips over its input must not take
// the other partitions with it.
func guardDecoder(decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = refusal(ReasonUndecodable, "the decoder panicked: %v\n%s", r, debug.Stack())
		}
	}()
	return decode()
}

// patientReader is a reader that ends when its context does, because a decoder cannot be stopped otherwise.
type patientReader struct {
	ctx context.Context
	r   *bytes.Reader
}

func (p *patientReader) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}
