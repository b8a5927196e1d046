package corrupt

import "math"

// frost grows ice crystals over the picture, as on a window.
//
// ImageNet-C blends in one of five photographs, which are not ours to give away. This family is a stand-in: it grows its own
// crystals and blends them with the published weights. Mean, contrast and tint are those of the photographs (each picture has a
// mean luminance of .48 to .81 and a deviation of .17 to .08, the brighter the flatter); their shapes are not, so figures
// of this family compare with each other, not with published ones.
func frost() Family {
	return Family{
		Name: "frost",
		Parameters: []Parameter{
			{Name: "picture", Unit: "weight of the picture", Min: 0, Max: 1},
			{Name: "frost", Unit: "weight of the frost", Min: 0, Max: 1},
		},
		Severities: [5][]float64{{1, .4}, {.8, .6}, {.7, .7}, {.65, .7}, {.6, .75}},
		Formula: "picture x + frost f, f a texture of feathers (a spine of 12..60 pixels with barbs at 50..65 degrees) over a plasma fractal, " +
			"scaled to the mean and deviation of frosted windows, tinted blue",
		Bounds: "clipped to [0,1]",
		Source: imageNetC + "; a procedural stand-in for its photographs",
		Random: true,
		apply:  applyFrost,
	}
}

func applyFrost(in raster, parameters []float64, chance *stream) raster {
	ice := frosted(in.w, in.h, chance)
	tint := [3]float64{-.064, .02, .066} // mean of the photographs' channels, less their luminance
	out := in.picture()
	for c, plane := range out.planes {
		for i, v := range plane {
			plane[i] = float64(parameters[0]*v) + float64(parameters[1]*min(max(ice[i]+tint[c], 0), 1))
		}
	}
	return out.raster()
}

// frosted is the luminance of a frosted window, in [0,1] but for its tails.
func frosted(w, h int, chance *stream) []float64 {
	side := 1
	for side < max(w, h) {
		side *= 2
	}
	clouds := plasma(side, 1.8, func() float64 { return chance.between(-1, 1) })
	ice := make([]float64, w*h)
	for i := range ice {
		ice[i] = .5 * clouds[i/w*side+i%w]
	}
	glass := canvas{ice, w, h}
	const margin = 30 // feathers that start outside reach in
	for range (w + 2*margin) * (h + 2*margin) / 90 {
		x, y := chance.between(-margin, float64(w+margin)), chance.between(-margin, float64(h+margin))
		glass.feather(x, y, chance)
	}
	bright := chance.uniform()
	return standardised(ice, .48+float64(.33*bright), .17-float64(.09*bright))
}

// standardised shifts and scales numbers to a mean and a deviation, in place. All equal become the mean.
func standardised(v []float64, mean, deviation float64) []float64 {
	var sum, squares float64
	for _, x := range v {
		sum += x
	}
	old := sum / float64(len(v))
	for _, x := range v {
		squares += float64((x - old) * (x - old))
	}
	scale := 0.
	if squares > 0 {
		scale = deviation / math.Sqrt(squares/float64(len(v)))
	}
	for i, x := range v {
		v[i] = mean + float64((x-old)*scale)
	}
	return v
}

// canvas is a plane to draw on; the brightest stroke stays on top.
type canvas struct {
	v    []float64
	w, h int
}

// feather draws a spine from (x, y) with barbs on both sides that get shorter towards its tip.
func (c canvas) feather(x, y float64, chance *stream) {
	length := 12 + float64(48*float64(chance.uniform()*chance.uniform()))
	heading, spread := chance.between(-180, 180), chance.between(50, 65)
	light := chance.between(.35, 1)
	c.stroke(x, y, heading, length, light)
	cosine, sine := direction(heading)
	gap := chance.between(2, 3.5)
	for at := gap; at < length; at += gap {
		barb := float64(.45*(length-at)) + 2
		bx, by := x+float64(cosine*at), y+float64(sine*at)
		for _, turn := range []float64{-spread, spread} {
			c.stroke(bx, by, wrapped(heading+turn), float64(barb*chance.between(.6, 1)), light*.85)
		}
	}
}

// wrapped brings an angle in degrees back to [-180,180].
func wrapped(degrees float64) float64 {
	if degrees > 180 {
		return degrees - 360
	}
	if degrees < -180 {
		return degrees + 360
	}
	return degrees
}

// stroke draws a line of that length that fades to a third, in steps of half a pixel.
func (c canvas) stroke(x, y, heading, length, light float64) {
	cosine, sine := direction(heading)
	for at := 0.; at < length; at += .5 {
		c.dab(x+float64(cosine*at), y+float64(sine*at), float64(light*(1-float64(2*at)/(3*length))))
	}
}

// dab lights the four samples around (x, y), each by how near it is.
func (c canvas) dab(x, y, light float64) {
	left, top := math.Floor(x), math.Floor(y)
	u, v := x-left, y-top
	for k, share := range [4]float64{(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v} {
		px, py := int(left)+k%2, int(top)+k/2
		if px >= 0 && px < c.w && py >= 0 && py < c.h {
			at := py*c.w + px
			c.v[at] = max(c.v[at], float64(light*math.Sqrt(share)))
		}
	}
}
