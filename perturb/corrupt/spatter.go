package corrupt

import "math"

// spatter is rain or mud on the lens.
func spatter() Family {
	return Family{
		Name: "spatter",
		Parameters: []Parameter{
			{Name: "location", Unit: "mean of the liquid's field", Min: -2, Max: 2},
			{Name: "scale", Unit: "deviation of the liquid's field", Min: 0, Max: 2},
			{Name: "sigma", Unit: "pixels, the size of drops", Min: .1, Max: 20},
			{Name: "threshold", Unit: "of the field, below which it is dry", Min: 0, Max: 1},
			{Name: "extent", Unit: "weight of water, or pixels of deviation that soften mud", Min: .1, Max: 10},
			{Name: "mud", Unit: "1 for mud, 0 for water", Min: 0, Max: 1, Integer: true},
		},
		Severities: [5][]float64{
			{.65, .3, 4, .69, .6, 0}, {.65, .3, 3, .68, .6, 0}, {.65, .3, 2, .68, .5, 0}, {.65, .3, 1, .65, 1.5, 1}, {.67, .4, 1, .65, 1.5, 1},
		},
		Formula: "l: a normal field (location, scale) under a blur of sigma, 0 below threshold. Mud: m is l > threshold under a blur of extent, 0 below " +
			".8; x (1-m) + m (63,42,20)/255. Water: m is l times a relief of the distance from the drops' edges, scaled to a maximum of " +
			"extent; x + m (175,238,238)/255",
		Bounds: "clipped to [0,1]; border samples are repeated under the blurs, mirrored (reflect 101) under the relief's filters",
		Source: imageNetC + " (one of the four extra corruptions)",
		Random: true,
		apply: func(in raster, parameters []float64, chance *stream) raster {
			return spattered(in, parameters, chance.normals(in.w*in.h, parameters[0], parameters[1]))
		},
	}
}

// spattered is the family's formula for this field.
func spattered(in raster, parameters, field []float64) raster {
	threshold, extent := parameters[3], parameters[4]
	liquid := blurred(field, in.w, in.h, parameters[2])
	if parameters[5] == 1 {
		return muddied(in, liquid, threshold, extent)
	}
	for i, v := range liquid {
		if v < threshold {
			v = 0
		}
		liquid[i] = float64(v * 255)
	}
	drops := make([]byte, len(liquid))
	for i, v := range liquid {
		drops[i] = byte(min(v, 255))
	}
	return watered(in, drops, extent)
}

func muddied(in raster, liquid []float64, threshold, sigma float64) raster {
	mask := make([]float64, len(liquid))
	for i, v := range liquid {
		if v > threshold {
			mask[i] = 1
		}
	}
	mask = blurred(mask, in.w, in.h, sigma)
	out := in.picture()
	for c, brown := range [3]float64{63. / 255, 42. / 255, 20. / 255} {
		for i, m := range mask {
			if m >= .8 {
				out.planes[c][i] = float64(out.planes[c][i]*(1-m)) + float64(brown*m)
			}
		}
	}
	return out.raster()
}

func watered(in raster, drops []byte, weight float64) raster {
	shape := relief(drops, in.w, in.h)
	most := 0.
	mask := make([]float64, len(drops))
	for i, v := range drops {
		mask[i] = float64(v) * float64(shape[i])
		most = max(most, mask[i])
	}
	if most == 0 { // it did not rain
		return in.picture().raster()
	}
	out := in.picture()
	for c, turquoise := range [3]float64{175. / 255, 238. / 255, 238. / 255} {
		for i, m := range mask {
			out.planes[c][i] += float64(m / most * weight * turquoise)
		}
	}
	return out.raster()
}

// relief shades drops as if lit from above left: the distance from their edges up to 20 pixels, smoothed, its histogram
// equalised, under a filter that is a slope and a little sharpening, smoothed again.
func relief(drops []byte, w, h int) []byte {
	far := distances(edges(drops, w, h, 50, 150), w, h)
	near := make([]byte, len(far))
	filtered(w, h, [9]int{1, 1, 1, 1, 1, 1, 1, 1, 1}, func(i int) int { return min(far[i], 20*unit) }, func(i, sum int) {
		near[i] = byte(sum / (9 * unit))
	})
	equalise(near)
	slope := make([]byte, len(far))
	filtered(w, h, [9]int{-2, -1, 0, -1, 1, 1, 0, 1, 2}, func(i int) int { return int(near[i]) }, func(i, sum int) {
		slope[i] = byte(min(max(sum, 0), 255))
	})
	out := make([]byte, len(far))
	filtered(w, h, [9]int{1, 1, 1, 1, 1, 1, 1, 1, 1}, func(i int) int { return int(slope[i]) }, func(i, sum int) {
		out[i] = byte((sum + 4) / 9)
	})
	return out
}

// filtered lays a 3 x 3 kernel over integers; beyond the border they are mirrored on the border samples.
func filtered(w, h int, kernel [9]int, at func(i int) int, put func(i, sum int)) {
	for y := range h {
		for x := range w {
			sum := 0
			for k, weight := range kernel {
				sum += weight * at(mirrored101(y+k/3-1, h)*w+mirrored101(x+k%3-1, w))
			}
			put(y*w+x, sum)
		}
	}
}

// equalise spreads levels so that their cumulative shares are even, the lowest that occurs at 0; a single level stays. In
// float32 and with halves to even, as OpenCV's equalizeHist, because it decides about whole levels.
func equalise(pix []byte) {
	var counts [256]int
	for _, v := range pix {
		counts[v]++
	}
	lowest := 0
	for counts[lowest] == 0 {
		lowest++
	}
	if counts[lowest] == len(pix) {
		return
	}
	scale := float32(255) / float32(len(pix)-counts[lowest])
	var table [256]byte
	sum := 0
	for v := lowest + 1; v < 256; v++ {
		sum += counts[v]
		table[v] = byte(min(math.RoundToEven(float64(float32(sum)*scale)), 255))
	}
	for i, v := range pix {
		pix[i] = table[v]
	}
}
