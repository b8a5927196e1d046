package pipeline

import (
	"image"
	"image/color"
)

// rgb copies the rectangle r of a decoded picture to 8 bit RGB, the way Pillow's convert("RGB") does: alpha is dropped, not
// blended, so that the colours under transparent pixels show; of 16 bit samples the high byte is taken; CMYK becomes RGB
// without a profile. Each layout has its own loop, because At costs an interface call and an allocation per pixel.
func (h pictureHeader) rgb(m image.Image, r image.Rectangle) Image {
	out := Image{Width: r.Dx(), Height: r.Dy(), Pix: make([]byte, 3*r.Dx()*r.Dy())}
	row := func(y int) []byte { return out.Pix[3*out.Width*(y-r.Min.Y):][:3*out.Width] }
	switch m := m.(type) {
	case *image.YCbCr:
		h.rgbOfYCbCr(m, r, row)
		return out
	case *image.NYCbCrA:
		h.rgbOfYCbCr(&m.YCbCr, r, row)
		return out
	}
	fill := filler(m, r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		fill(row(y), y)
	}
	return out
}

// filler returns what copies one row of r.
func filler(m image.Image, r image.Rectangle) func(dst []byte, y int) {
	switch m := m.(type) {
	case *image.RGBA: // only opaque ones come from the decoders, so there is no multiplication by alpha to undo
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 4, 0, 1, 2) }
	case *image.NRGBA:
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 4, 0, 1, 2) }
	case *image.RGBA64:
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 8, 0, 2, 4) }
	case *image.NRGBA64:
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 8, 0, 2, 4) }
	case *image.Gray:
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 1, 0, 0, 0) }
	case *image.Gray16:
		return func(dst []byte, y int) { pick(dst, m.Pix[m.PixOffset(r.Min.X, y):], 2, 0, 0, 0) }
	case *image.Paletted:
		colours := opaque(m.Palette)
		return func(dst []byte, y int) { lookUp(dst, m.Pix[m.PixOffset(r.Min.X, y):], colours) }
	case *image.CMYK:
		return func(dst []byte, y int) { uncover(dst, m.Pix[m.PixOffset(r.Min.X, y):]) }
	}
	return func(dst []byte, y int) {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := straight(m.At(x, y))
			dst[0], dst[1], dst[2] = c[0], c[1], c[2]
			dst = dst[3:]
		}
	}
}

// pick fills dst from pixels of `size` bytes, taking the bytes at r, g and b of each.
func pick(dst, src []byte, size, r, g, b int) {
	for at := 0; len(dst) >= 3; at += size {
		dst[0], dst[1], dst[2] = src[at+r], src[at+g], src[at+b]
		dst = dst[3:]
	}
}

func lookUp(dst, src []byte, colours *[256][3]byte) {
	for i := 0; len(dst) >= 3; i++ {
		c := &colours[src[i]]
		dst[0], dst[1], dst[2] = c[0], c[1], c[2]
		dst = dst[3:]
	}
}

// uncover turns CMYK (255: full ink) to RGB: (255-K) less the ink's share of it, in libImaging's rounding.
func uncover(dst, src []byte) {
	for ; len(dst) >= 3; dst, src = dst[3:], src[4:] {
		light := 255 - int32(src[3])
		for c := range 3 {
			t := int32(src[c])*light + 128
			dst[c] = uint8(max(light-((t>>8)+t)>>8, 0))
		}
	}
}

// opaque returns the palette without its alpha; indices beyond its end are black.
func opaque(p color.Palette) *[256][3]byte {
	var colours [256][3]byte
	for i, c := range p[:min(len(p), 256)] {
		colours[i] = straight(c)
	}
	return &colours
}

// straight returns a colour without its alpha, not multiplied by it.
func straight(c color.Color) [3]byte {
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	if s, ok := c.(color.NRGBA); ok { // exact also where alpha is 0, and the model would return black
		return [3]byte{s.R, s.G, s.B}
	}
	return [3]byte{uint8(n.R >> 8), uint8(n.G >> 8), uint8(n.B >> 8)}
}
