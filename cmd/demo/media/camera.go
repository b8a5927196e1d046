package media

import (
	"math"
	"math/rand/v2"
)

// camera is one photograph's way from the scene to the file: lens, sensor with a Bayer filter, demosaicking.
type camera struct {
	blur   float64 // standard deviation of the lens and anti-alias filter, samples
	shot   float64 // variance of the noise per unit of light
	read   float64 // standard deviation of the noise in the dark
	malvar bool    // Malvar-He-Cutler demosaicking, else bilinear
}

func newCamera(r *rand.Rand) camera {
	return camera{blur: .45 + .35*r.Float64(), shot: .00005 * math.Pow(10, 1.2*r.Float64()), read: .001 + .003*r.Float64(),
		malvar: r.IntN(2) == 0}
}

func (c camera) shoot(r *rand.Rand, s scene) picture {
	light := s.render(Size)
	for i := range light {
		light[i] = light[i].gaussian(c.blur)
	}
	raw := c.expose(r, light)
	if c.malvar {
		return demosaicMalvar(raw)
	}
	return demosaicBilinear(raw)
}

// filter says which colour the Bayer filter RGGB passes at a position: 0 red, 1 green, 2 blue.
func filter(x, y int) int { return x&1 + y&1 }

// expose samples one colour per position and adds noise with variance shot*light + read^2.
func (c camera) expose(r *rand.Rand, light picture) plane {
	raw := newPlane(Size)
	for y := range Size {
		for x := range Size {
			v := float64(light[filter(x, y)].pix[y*Size+x])
			raw.pix[y*Size+x] = float32(v + r.NormFloat64()*math.Sqrt(c.shot*v+c.read*c.read))
		}
	}
	return raw
}

// demosaicBilinear fills each missing colour with the mean of its nearest samples.
func demosaicBilinear(raw plane) picture {
	out := newPicture(raw.n)
	for y := range raw.n {
		for x := range raw.n {
			cross := (raw.at(x-1, y) + raw.at(x+1, y) + raw.at(x, y-1) + raw.at(x, y+1)) / 4
			diagonal := (raw.at(x-1, y-1) + raw.at(x+1, y-1) + raw.at(x-1, y+1) + raw.at(x+1, y+1)) / 4
			put(out, raw, x, y, cross, diagonal, (raw.at(x-1, y)+raw.at(x+1, y))/2, (raw.at(x, y-1)+raw.at(x, y+1))/2)
		}
	}
	return out
}

// demosaicMalvar adds to each bilinear estimate the Laplacian of the colour that was sampled there, with the gains 1/2
// (green), 5/8 (red or blue at green) and 3/4 (red at blue and blue at red): Malvar, He, Cutler, "High-quality linear
// interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004.
func demosaicMalvar(raw plane) picture {
	out := newPicture(raw.n)
	for y := range raw.n {
		for x := range raw.n {
			far := raw.at(x-2, y) + raw.at(x+2, y)
			farY := raw.at(x, y-2) + raw.at(x, y+2)
			corners := raw.at(x-1, y-1) + raw.at(x+1, y-1) + raw.at(x-1, y+1) + raw.at(x+1, y+1)
			cross := raw.at(x-1, y) + raw.at(x+1, y) + raw.at(x, y-1) + raw.at(x, y+1)
			here := raw.at(x, y)
			laplace := 4*here - far - farY
			along := func(near, far, across float32) float32 {
				return (4*near + 5*here - far - corners + across/2) / 8
			}
			put(out, raw, x, y, (2*cross+laplace)/8, (2*corners+1.5*laplace)/8,
				along(raw.at(x-1, y)+raw.at(x+1, y), far, farY), along(raw.at(x, y-1)+raw.at(x, y+1), farY, far))
		}
	}
	return out
}

// put stores the three colours of one position: the sampled one, and for the others the estimates from the cross, the
// diagonals, the left and right, or the upper and lower neighbours.
func put(out picture, raw plane, x, y int, cross, diagonal, row, column float32) {
	i := y*raw.n + x
	here := raw.pix[i]
	switch {
	case filter(x, y) == 0:
		out[0].pix[i], out[1].pix[i], out[2].pix[i] = here, cross, diagonal
	case filter(x, y) == 2:
		out[0].pix[i], out[1].pix[i], out[2].pix[i] = diagonal, cross, here
	case y&1 == 0: // green in a row of red
		out[0].pix[i], out[1].pix[i], out[2].pix[i] = row, here, column
	default: // green in a row of blue
		out[0].pix[i], out[1].pix[i], out[2].pix[i] = column, here, row
	}
}
