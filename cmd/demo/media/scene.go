package media

import (
	"math"
	"math/rand/v2"
)

// scene is what stands before the camera, in unit coordinates and linear light; it can be rendered at any resolution.
type scene struct {
	from, to rgb // background, along the unit vector (gx, gy)
	gx, gy   float64
	shapes   []ellipse
	grain    []octave
}

type rgb [3]float64

// ellipse is painted over what is behind it; an edge of a wall is an ellipse much larger than the picture.
type ellipse struct {
	x, y, rx, ry, cos, sin float64
	color                  rgb
}

// octave is one layer of smooth value noise: a random lattice of n x n, interpolated.
type octave struct {
	n       int
	lattice []float32 // (n+1) x (n+1), between -amplitude and amplitude
}

func newScene(r *rand.Rand) scene {
	angle := r.Float64() * 2 * math.Pi
	s := scene{from: anyColor(r), to: anyColor(r), gx: math.Cos(angle), gy: math.Sin(angle)}
	for range 1 + r.IntN(3) {
		s.shapes = append(s.shapes, wall(r))
	}
	s.shapes = append(s.shapes, face(r)...)
	// Natural pictures have amplitudes that fall like 1/f; the exponent varies from scene to scene.
	slope, strength := .8+.5*r.Float64(), .05+.10*r.Float64()
	for n := 4; n <= Size/2; n *= 2 {
		s.grain = append(s.grain, newOctave(r, n, strength*math.Pow(float64(n)/4, -slope)))
	}
	return s
}

func anyColor(r *rand.Rand) rgb {
	grey := .08 + .6*r.Float64()
	return rgb{grey * (.7 + .6*r.Float64()), grey * (.8 + .4*r.Float64()), grey * (.7 + .6*r.Float64())}
}

func wall(r *rand.Rand) ellipse {
	angle, size := r.Float64()*2*math.Pi, .1+2*r.Float64()
	out := size + .1 + .4*r.Float64() // distance of its centre, so that some of it is always in view
	return turned(ellipse{x: .5 + out*math.Cos(angle), y: .5 + out*math.Sin(angle), rx: size, ry: size * (.4 + .6*r.Float64()),
		color: anyColor(r)}, r.Float64()*math.Pi)
}

// face puts hair, head, eyes and a mouth somewhere near the middle.
func face(r *rand.Rand) []ellipse {
	x, y, size, tilt := .4+.2*r.Float64(), .45+.15*r.Float64(), .22+.1*r.Float64(), .3*(r.Float64()-.5)
	tone := .12 + .45*r.Float64()
	skin, dark := rgb{tone * 1.25, tone, tone * .8}, rgb{tone * .25, tone * .2, tone * .2}
	part := func(dx, dy, rx, ry float64, c rgb) ellipse {
		dx, dy = dx*math.Cos(tilt)-dy*math.Sin(tilt), dx*math.Sin(tilt)+dy*math.Cos(tilt)
		return turned(ellipse{x: x + size*dx, y: y + size*dy, rx: size * rx, ry: size * ry, color: c}, tilt)
	}
	return []ellipse{part(0, -.25, .95, 1.2, dark), part(0, 0, .8, 1.1, skin), part(-.32, -.2, .14, .08, dark),
		part(.32, -.2, .14, .08, dark), part(0, .15, .09, .25, rgb{tone * 1.1, tone * .9, tone * .7}),
		part(0, .6, .3, .07, rgb{tone * .9, tone * .4, tone * .35})}
}

func turned(e ellipse, angle float64) ellipse {
	e.cos, e.sin = math.Cos(angle), math.Sin(angle)
	return e
}

func newOctave(r *rand.Rand, n int, amplitude float64) octave {
	o := octave{n: n, lattice: make([]float32, (n+1)*(n+1))}
	for i := range o.lattice {
		o.lattice[i] = float32(amplitude * (2*r.Float64() - 1))
	}
	return o
}

// render draws the scene at n x n. Texture finer than n can hold is left out, edges are anti-aliased over one sample.
func (s scene) render(n int) picture {
	out := s.background(n)
	for _, e := range s.shapes {
		e.paint(out, n)
	}
	for i, light := range s.texture(n) {
		for c := range out {
			out[c].pix[i] *= 1 + light
		}
	}
	return out
}

func (s scene) background(n int) picture {
	out := newPicture(n)
	for y := range n {
		for x := range n {
			u, v := (float64(x)+.5)/float64(n), (float64(y)+.5)/float64(n)
			t := min(1, max(0, .5+s.gx*(u-.5)+s.gy*(v-.5)))
			for c := range out {
				out[c].pix[y*n+x] = float32(s.from[c] + t*(s.to[c]-s.from[c]))
			}
		}
	}
	return out
}

// paint lays the ellipse over an n x n picture.
func (e ellipse) paint(out picture, n int) {
	step := 1 / float64(n)
	left, right := span(e.x, math.Hypot(e.rx*e.cos, e.ry*e.sin), n)
	top, bottom := span(e.y, math.Hypot(e.rx*e.sin, e.ry*e.cos), n)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			a := e.cover((float64(x)+.5)*step, (float64(y)+.5)*step, step)
			if a == 0 {
				continue
			}
			for c := range out {
				p := &out[c].pix[y*n+x]
				*p += float32(a * (e.color[c] - float64(*p)))
			}
		}
	}
}

// span is the range of samples that center +- half touches, with one more on either side for the soft edge.
func span(center, half float64, n int) (from, to int) {
	return max(0, int((center-half)*float64(n))-1), min(n, int((center+half)*float64(n))+2)
}

// cover is the share of a sample of width step which lies inside the ellipse, by the distance to first order.
func (e ellipse) cover(u, v, step float64) float64 {
	dx, dy := u-e.x, v-e.y
	dx, dy = (dx*e.cos+dy*e.sin)/e.rx, (dy*e.cos-dx*e.sin)/e.ry
	d := (dx*dx + dy*dy - 1) / 2 * min(e.rx, e.ry)
	return min(1, max(0, .5-d/step))
}

// texture sums the octaves that n x n samples can hold: smooth noise of mean 0, relative to the light.
func (s scene) texture(n int) []float32 {
	out := make([]float32, n*n)
	cell, weight := make([]int, n), make([]float32, n)
	for _, o := range s.grain {
		if o.n > n/2 {
			break
		}
		for x := range n {
			u := (float64(x) + .5) / float64(n) * float64(o.n)
			cell[x] = int(u)
			t := u - float64(cell[x])
			weight[x] = float32(t * t * (3 - 2*t))
		}
		for y := range n {
			row := o.lattice[cell[y]*(o.n+1):]
			below := row[o.n+1:]
			for x, i := range cell {
				top := row[i] + weight[x]*(row[i+1]-row[i])
				bottom := below[i] + weight[x]*(below[i+1]-below[i])
				out[y*n+x] += top + weight[y]*(bottom-top)
			}
		}
	}
	return out
}
