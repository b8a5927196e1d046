package corrupt

import "math"

// snow falls at a slant, and the light behind it turns pale.
func snow() Family {
	return Family{
		Name: "snow",
		Parameters: []Parameter{
			{Name: "location", Unit: "mean of the flakes' field", Min: -2, Max: 2},
			{Name: "scale", Unit: "deviation of the flakes' field", Min: 0, Max: 2},
			{Name: "zoom", Unit: "times, the size of flakes", Min: 1, Max: 8},
			{Name: "threshold", Unit: "of the field, below which nothing falls", Min: 0, Max: 1},
			{Name: "radius", Unit: "pixels, half of a flake's trail", Min: 1, Max: 64, Integer: true},
			{Name: "sigma", Unit: "pixels, how fast a trail fades", Min: .1, Max: 64},
			{Name: "mix", Unit: "share of the picture that keeps its light", Min: 0, Max: 1},
		},
		Severities: [5][]float64{
			{.1, .3, 3, .5, 10, 4, .8}, {.2, .3, 2, .5, 12, 4, .7}, {.55, .3, 4, .9, 12, 8, .7},
			{.55, .3, 4.5, .85, 12, 8, .65}, {.55, .3, 2.5, .85, 12, 12, .55},
		},
		Formula: "mix x + (1-mix) max(x, 1.5 grey(x) + .5) + s + s turned by 180 degrees. s: a normal field (location, scale), its middle " +
			"enlarged by zoom, what is below threshold set to 0, clipped, drawn out along a line of 2 radius + 1 pixels with the weights " +
			"exp(-k^2/2 sigma^2), uniform angle of -135..-45 degrees, rounded to 8 bits",
		Bounds: "clipped to [0,1]; border samples are repeated along trails, also where a trail is longer than the picture",
		Source: imageNetC,
		Random: true,
		apply: func(in raster, parameters []float64, chance *stream) raster {
			field := chance.normals(in.w*in.h, parameters[0], parameters[1])
			return snowed(in, parameters, field, chance.between(-135, -45))
		},
	}
}

// snowed is the family's formula for this field and angle.
func snowed(in raster, parameters, field []float64, degrees float64) raster {
	threshold, radius, sigma, mix := parameters[3], int(parameters[4]), parameters[5], parameters[6]
	flakes := zoomed(field, in.w, in.h, parameters[2])
	for i, v := range flakes {
		if v < threshold {
			v = 0
		}
		flakes[i] = min(max(v, 0), 1)
	}
	flakes = trailed(flakes, in.w, in.h, radius, sigma, degrees)
	for i, v := range flakes {
		flakes[i] = math.RoundToEven(v*255) / 255
	}
	out := in.picture()
	last := len(flakes) - 1
	for i := range flakes {
		r, g, b := out.planes[0][i], out.planes[1][i], out.planes[2][i]
		grey := float64(.299*r) + float64(.587*g) + float64(.114*b)
		for c := range out.planes {
			x := out.planes[c][i]
			pale := max(x, float64(grey*1.5)+.5)
			out.planes[c][i] = float64(mix*x) + float64((1-mix)*pale) + flakes[i] + flakes[last-i]
		}
	}
	return out.raster()
}

// trailed draws every sample out along a line: the weighted mean of the samples 0..2 radius steps back, weights
// exp(-k^2/2 sigma^2), steps rounded to whole pixels (halves down). Border samples are repeated.
func trailed(plane []float64, w, h, radius int, sigma, degrees float64) []float64 {
	cosine, sine := direction(degrees)
	weights, sum := make([]float64, 2*radius+1), 0.
	for k := range weights {
		weights[k] = exponential(-float64(k*k) / (2 * sigma * sigma))
		sum += weights[k]
	}
	out := make([]float64, len(plane))
	for k, weight := range weights {
		dx := int(math.Ceil(float64(float64(k)*cosine) - .5))
		dy := int(math.Ceil(float64(float64(k)*sine) - .5))
		weight /= sum
		for y := range h {
			from, to := plane[clamped(y+dy, h)*w:][:w], out[y*w:][:w]
			for x := range to {
				to[x] += float64(weight * from[clamped(x+dx, w)])
			}
		}
	}
	return out
}
