package corrupt

// fixed is a number in the fixed point of libjpeg's colours, 16 bits.
func fixed(x float64) int32 { return int32(x*65536 + .5) }

// ycc turns RGB into planes of Y, Cb and Cr (ITU-T T.871), chroma at full resolution, padded to 16.
// Y = .299 R + .587 G + .114 B; Cb = 128 - .16874 R - .33126 G + .5 B; Cr = 128 + .5 R - .41869 G - .08131 B. Chroma is rounded with a
// half less one, so that 255.5 stays 255.
func (in raster) ycc() (luma, cb, cr samples) {
	luma, cb, cr = newSamples(in.w, in.h, 16), newSamples(in.w, in.h, 16), newSamples(in.w, in.h, 16)
	yr, yg, yb := fixed(.299), fixed(.587), fixed(.114)
	br, bg, rg, rb := fixed(.16874), fixed(.33126), fixed(.41869), fixed(.08131)
	const half, centre = 1 << 15, 128<<16 + 1<<15 - 1
	for y := range in.h {
		for x := range in.w {
			pixel, at := in.pix[3*(y*in.w+x):][:3], y*luma.stride+x
			r, g, b := int32(pixel[0]), int32(pixel[1]), int32(pixel[2])
			luma.v[at] = byte((yr*r + yg*g + yb*b + half) >> 16)
			cb.v[at] = byte((half*b - br*r - bg*g + centre) >> 16)
			cr.v[at] = byte((half*r - rg*g - rb*b + centre) >> 16)
		}
	}
	luma.pad()
	cb.pad()
	cr.pad()
	return luma, cb, cr
}

// halved takes the mean of 2 x 2 samples, halves rounded down in even columns and up in odd ones, so that the error has no
// sign. Columns are padded before, rows after: what lies below an odd picture is one repeated row of samples.
func (s samples) halved(w, h int) samples {
	out := newSamples((w+1)/2, (h+1)/2, 8)
	for y := range out.h {
		above := s.v[2*y*s.stride:][:s.stride]
		below := s.v[min(2*y+1, h-1)*s.stride:][:s.stride]
		for x := range out.stride {
			sum := int(above[2*x]) + int(above[2*x+1]) + int(below[2*x]) + int(below[2*x+1])
			out.v[y*out.stride+x] = byte((sum + 1 + x%2) >> 2)
		}
	}
	for y := out.h; y*out.stride < len(out.v); y++ {
		copy(out.v[y*out.stride:], out.v[(out.h-1)*out.stride:][:out.stride])
	}
	return out
}

// doubled writes row y of the up-sampled plane: 3/4 of the nearer and 1/4 of the further sample along each axis, halves
// rounded up in even columns and down in odd ones, border samples repeated. Planes of one or two columns are only repeated.
func (s samples) doubled(row []byte, y int) {
	near := s.v[y/2*s.stride:][:s.w]
	if s.w <= 2 {
		for x := range row {
			row[x] = near[x/2]
		}
		return
	}
	far := s.v[min(max(y/2-1+y%2*2, 0), s.h-1)*s.stride:][:s.w]
	sum := func(x int) int { return 3*int(near[x]) + int(far[x]) }
	for x := range row {
		if at := x / 2; x%2 == 0 {
			row[x] = byte((3*sum(at) + sum(max(at-1, 0)) + 8) >> 4)
		} else {
			row[x] = byte((3*sum(at) + sum(min(at+1, s.w-1)) + 7) >> 4)
		}
	}
}

// colours turns the planes back into RGB: R = Y + 1.402 Cr, G = Y - .34414 Cb - .71414 Cr, B = Y + 1.772 Cb, chroma around 128.
func colours(luma, cb, cr samples, w, h int) raster {
	out := raster{make([]byte, 3*w*h), w, h}
	blues, reds := make([]byte, w), make([]byte, w)
	red, greenB, greenR, blue := fixed(1.402), fixed(.34414), fixed(.71414), fixed(1.772)
	const half = 1 << 15
	for y := range h {
		cb.doubled(blues, y)
		cr.doubled(reds, y)
		for x := range w {
			l, b, r := int32(luma.v[y*luma.stride+x]), int32(blues[x])-128, int32(reds[x])-128
			pixel := out.pix[3*(y*w+x):][:3]
			pixel[0] = clip8(l + (red*r+half)>>16)
			pixel[1] = clip8(l + (half-greenB*b-greenR*r)>>16)
			pixel[2] = clip8(l + (blue*b+half)>>16)
		}
	}
	return out
}

func clip8(v int32) byte { return byte(min(max(v, 0), 255)) }
