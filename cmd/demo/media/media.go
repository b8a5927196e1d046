package media

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"sync"
)

// Size is the width and height of every picture, in pixels.
const Size = 128

// Studio makes the pictures of one stream. It is safe for concurrent use.
type Studio struct {
	seed    uint64
	gamma   [1 << 16]uint8 // 8 bit value of each level of light
	encoder png.Encoder
}

// NewStudio returns the stream that seed names.
func NewStudio(seed uint64) *Studio {
	s := &Studio{seed: seed, encoder: png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: new(buffers)}}
	for i := range s.gamma {
		s.gamma[i] = uint8(math.Round(255 * math.Pow(float64(i)/float64(len(s.gamma)-1), 1/2.2)))
	}
	return s
}

// Make returns picture number index. The same seed, index and truth give the same picture.
func (s *Studio) Make(index uint64, fake bool) *image.NRGBA {
	r := rand.New(rand.NewPCG(s.seed, index))
	view := newScene(r)
	if fake {
		return s.develop(newGenerator(r).synthesise(r, view))
	}
	return s.develop(newCamera(r).shoot(r, view))
}

// Fake draws the truth of picture number index: true with probability share.
func (s *Studio) Fake(index uint64, share float64) bool {
	return rand.New(rand.NewPCG(^s.seed, index)).Float64() < share
}

// PNG encodes without loss, as fast as the format allows.
func (s *Studio) PNG(img *image.NRGBA) ([]byte, error) {
	var b bytes.Buffer
	if err := s.encoder.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("encoding a picture: %w", err)
	}
	return b.Bytes(), nil
}

// develop turns linear light into 8 bit with the gamma 1/2.2.
func (s *Studio) develop(p picture) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, Size, Size))
	top := float32(len(s.gamma) - 1)
	for i := range Size * Size {
		for c := range p {
			img.Pix[4*i+c] = s.gamma[int(min(1, max(0, p[c].pix[i]))*top+.5)]
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// RGB returns the pixels of an opaque picture, row by row, 3 bytes each: what a detector takes.
func RGB(img *image.NRGBA) []byte {
	out := make([]byte, 0, 3*Size*Size)
	for i := 0; i < len(img.Pix); i += 4 {
		out = append(out, img.Pix[i:i+3]...)
	}
	return out
}

// buffers lends the encoder its large tables again and again.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *buffers) Put(e *png.EncoderBuffer) { b.pool.Put(e) }
