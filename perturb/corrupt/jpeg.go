package corrupt

// jpeg is baseline JPEG as libjpeg-turbo writes and reads it by default.
func jpeg() Family {
	return Family{
		Name:       "jpeg",
		Parameters: []Parameter{{Name: "q", Unit: "quality of the IJG scale", Min: 1, Max: 100, Integer: true}},
		Severities: [5][]float64{{25}, {18}, {15}, {10}, {7}},
		Formula: "YCbCr 4:2:0; cosine transform of 8 x 8 blocks; coefficients rounded to multiples of the tables of ITU-T T.81 annex K scaled by the " +
			"IJG rule; and back with triangular chroma up-sampling. All in the integers of libjpeg, bit for bit. No file is made: its entropy coding loses nothing",
		Bounds: "clipped to 0..255; the border is repeated up to whole blocks",
		Source: "ITU-T T.81 and T.871; github.com/libjpeg-turbo/libjpeg-turbo; severities of ImageNet-C (jpeg_compression)",
		least:  1,
		apply:  applyJPEG,
	}
}

func applyJPEG(in raster, parameters []float64, _ *stream) raster {
	fine, coarse := QuantTables(int(parameters[0]))
	luma, cb, cr := in.ycc()
	luma.recode(fine)
	cb, cr = cb.halved(in.w, in.h), cr.halved(in.w, in.h)
	cb.recode(coarse)
	cr.recode(coarse)
	return colours(luma, cb, cr, in.w, in.h)
}

// samples is a plane of 8-bit samples, padded to whole blocks; w and h are without the padding.
type samples struct {
	v      []byte
	w, h   int
	stride int
}

// upTo is n rounded up to a multiple of unit.
func upTo(n, unit int) int { return (n + unit - 1) / unit * unit }

func newSamples(w, h, unit int) samples {
	stride := upTo(w, unit)
	return samples{v: make([]byte, stride*upTo(h, unit)), w: w, h: h, stride: stride}
}

// pad repeats the last column and the last row.
func (s samples) pad() {
	for y := range s.h {
		row := s.v[y*s.stride:][:s.stride]
		for x := s.w; x < s.stride; x++ {
			row[x] = row[s.w-1]
		}
	}
	last := s.v[(s.h-1)*s.stride:][:s.stride]
	for at := s.h * s.stride; at < len(s.v); at += s.stride {
		copy(s.v[at:], last)
	}
}
