package corrupt

// defocusBlur is a lens out of focus: a point becomes a disk.
func defocusBlur() Family {
	return Family{
		Name: "defocus_blur",
		Parameters: []Parameter{
			{Name: "radius", Unit: "pixels", Min: 1, Max: 32, Integer: true},
			{Name: "alias", Unit: "pixels of deviation that soften the rim of the disk", Min: .05, Max: 5},
		},
		Severities: [5][]float64{{3, .1}, {4, .5}, {6, .5}, {8, .5}, {10, .5}},
		Formula:    "x under a disk of the radius, itself softened by a Gaussian kernel of deviation alias, 3 x 3 up to radius 8 and 5 x 5 above",
		Bounds:     "the picture is mirrored on its border samples (OpenCV, reflect 101)",
		Source:     imageNetC,
		apply:      applyDefocusBlur,
	}
}

func applyDefocusBlur(in raster, parameters []float64, _ *stream) raster {
	kernel, r := disk(int(parameters[0]), parameters[1])
	return in.picture().each(func(plane []float64) []float64 {
		return correlate(plane, in.w, in.h, kernel, r)
	}).raster()
}

// disk is the kernel, square with 2r+1 samples a side. Up to radius 8 it is 17 wide whatever the radius.
func disk(radius int, alias float64) (kernel []float64, r int) {
	r, soft := 8, 1
	if radius > 8 {
		r, soft = radius, 2
	}
	side := 2*r + 1
	kernel = make([]float64, side*side)
	area := 0.
	for i := range kernel {
		if x, y := i%side-r, i/side-r; x*x+y*y <= radius*radius {
			kernel[i], area = 1, area+1
		}
	}
	for i := range kernel {
		kernel[i] /= area
	}
	half := gaussianWeights(alias, (float64(soft)+.25)/alias) // cut off beyond `soft` pixels
	return alongColumns(alongRows(kernel, side, side, half, mirrored101), side, side, half, mirrored101), r
}

// correlate lays a square kernel over every sample. The kernel is sparse beyond its disk, and constant along most of each
// row; a row costs one difference of running sums per step of the kernel instead of a product per sample.
func correlate(plane []float64, w, h int, kernel []float64, r int) []float64 {
	side := 2*r + 1
	out, sums := make([]float64, len(plane)), make([]float64, w+side)
	for source := -r; source < h+r; source++ {
		row := plane[mirrored101(source, h)*w:][:w]
		for i := range w + 2*r {
			sums[i+1] = sums[i] + row[mirrored101(i-r, w)]
		}
		for k := range side {
			if y := source + r - k; y >= 0 && y < h {
				steps(out[y*w:][:w], sums, kernel[k*side:][:side])
			}
		}
	}
	return out
}

// steps adds one row under one row of the kernel: with S(i) the sum of the first i samples, the sum of w(k) x(i+k) is the
// sum of (w(k-1) - w(k)) S(i+k) over the k where the weight changes.
func steps(to, sums, weights []float64) {
	before := 0.
	for k := 0; k <= len(weights); k++ {
		weight := 0.
		if k < len(weights) {
			weight = weights[k]
		}
		if change := before - weight; change != 0 {
			from := sums[k:][:len(to)]
			for i := range to {
				to[i] += float64(change * from[i])
			}
		}
		before = weight
	}
}
