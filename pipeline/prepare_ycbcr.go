package pipeline

import "image"

// rgbOfYCbCr converts the rectangle r, row by row, with the chroma up-sampling and the integer arithmetic of the decoder
// that the deployed detector nearly always sits behind: libjpeg-turbo (jdsample.c, "fancy" up-sampling; jdcolor.c) or
// libwebp (dsp/upsampling.c, dsp/yuv.h). image/color would repeat each chroma sample instead; on the JPEGs of phones
// that moves pixels by up to a dozen levels at coloured edges.
func (h pictureHeader) rgbOfYCbCr(m *image.YCbCr, r image.Rectangle, row func(y int) []byte) {
	u := newUpsampler(m, r, h.narrow)
	convert := fullRange
	if h.narrow {
		convert = narrowRange
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		luma := m.Y[m.YOffset(r.Min.X, y):][:r.Dx()]
		convert(row(y), luma, u.row(u.cb[:], m.Cb, y), u.row(u.cr[:], m.Cr, y))
	}
}

// upsampler brings rows of chroma to the width of the picture.
type upsampler struct {
	rect          image.Rectangle // of the picture that is wanted
	x0, y0        int             // origin of the picture
	stride        int
	width, height int // of the chroma planes
	fx, fy        int // how many pixels share a sample
	smooth        bool
	even, odd     int32 // what is added before a rounding shift, at even and odd columns
	sums          []int32
	cb, cr        []byte
}

func newUpsampler(m *image.YCbCr, r image.Rectangle, webp bool) *upsampler {
	u := &upsampler{rect: r, x0: m.Rect.Min.X, y0: m.Rect.Min.Y, stride: m.CStride, fx: 1, fy: 1, even: 8, odd: 7,
		cb: make([]byte, r.Dx()), cr: make([]byte, r.Dx())}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.fx = 2
	case image.YCbCrSubsampleRatio420:
		u.fx, u.fy = 2, 2
	case image.YCbCrSubsampleRatio440:
		u.fy = 2
	case image.YCbCrSubsampleRatio411:
		u.fx = 4
	case image.YCbCrSubsampleRatio410:
		u.fx, u.fy = 4, 2
	}
	u.width = (m.Rect.Dx() + u.fx - 1) / u.fx
	u.height = (m.Rect.Dy() + u.fy - 1) / u.fy
	u.smooth = u.fx == 2 && u.width > 2 || u.fx == 1 && u.fy == 2 // libjpeg repeats where there is no neighbour on both sides
	if webp {
		u.smooth, u.odd = true, 8
	}
	u.sums = make([]int32, u.width)
	return u
}

// row writes the up-sampled samples of picture row y to dst.
//
// The triangular filter takes 3/4 of the nearer and 1/4 of the further sample along each axis; beyond the border the
// last sample is repeated. The sums of both rows are kept unrounded, so that there is one rounding per sample. Along one
// axis alone libjpeg alternates the rounding too, with 1 and 2 in place of 8 and 7.
func (u *upsampler) row(dst, plane []byte, y int) []byte {
	y -= u.y0
	near := plane[y/u.fy*u.stride:][:u.width]
	if !u.smooth {
		for i := range dst {
			dst[i] = near[(u.rect.Min.X-u.x0+i)/u.fx]
		}
		return dst
	}
	far := near
	if u.fy == 2 {
		far = plane[min(max(y/2-1+y%2*2, 0), u.height-1)*u.stride:][:u.width]
	}
	first, last := (u.rect.Min.X-u.x0)/u.fx, (u.rect.Max.X-1-u.x0)/u.fx
	for i := max(first-1, 0); i <= min(last+1, u.width-1); i++ {
		u.sums[i] = 3*int32(near[i]) + int32(far[i])
	}
	switch {
	case u.fx == 1:
		u.vertical(dst, y)
	case u.fy == 1:
		u.horizontal(dst, 4, 8) // the sums are exact multiples of 4: 1 and 2 of 4 are 4 and 8 of 16
	default:
		u.horizontal(dst, u.even, u.odd)
	}
	return dst
}

func (u *upsampler) horizontal(dst []byte, even, odd int32) {
	for i := range dst {
		x := u.rect.Min.X - u.x0 + i
		c := x / 2
		if x%2 == 0 {
			dst[i] = uint8((3*u.sums[c] + u.sums[max(c-1, 0)] + even) >> 4)
		} else {
			dst[i] = uint8((3*u.sums[c] + u.sums[min(c+1, u.width-1)] + odd) >> 4)
		}
	}
}

func (u *upsampler) vertical(dst []byte, y int) {
	bias := int32(1 + y%2)
	for i := range dst {
		dst[i] = uint8((u.sums[u.rect.Min.X-u.x0+i] + bias) >> 2)
	}
}

// fullRange is JFIF's conversion with libjpeg's 16 bit constants:
// R = Y + 1.402 Cr, G = Y - .34414 Cb - .71414 Cr, B = Y + 1.772 Cb, with Cb and Cr around 128.
func fullRange(dst, luma, cb, cr []byte) {
	for i, l := range luma {
		y, b, r := int32(l), int32(cb[i])-128, int32(cr[i])-128
		dst[0] = clamp8(y + (91881*r+1<<15)>>16)
		dst[1] = clamp8(y + (-22554*b-46802*r+1<<15)>>16)
		dst[2] = clamp8(y + (116130*b+1<<15)>>16)
		dst = dst[3:]
	}
}

// narrowRange is libwebp's conversion: BT.601 with luma 16..235 and chroma 16..240, in 14 bit constants; each product is
// shifted on its own.
func narrowRange(dst, luma, cb, cr []byte) {
	for i, l := range luma {
		y, u, v := 19077*int32(l)>>8, int32(cb[i]), int32(cr[i])
		dst[0] = clamp8((y + 26149*v>>8 - 14234) >> 6)
		dst[1] = clamp8((y - 6419*u>>8 - 13320*v>>8 + 8708) >> 6)
		dst[2] = clamp8((y + 33050*u>>8 - 17685) >> 6)
		dst = dst[3:]
	}
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
