package media

import "math"

// plane is one channel of Size x Size (or smaller, square) samples, row by row; linear light, nominally 0..1.
type plane struct {
	n   int
	pix []float32
}

// picture is red, green and blue.
type picture [3]plane

func newPlane(n int) plane { return plane{n: n, pix: make([]float32, n*n)} }

func newPicture(n int) picture { return picture{newPlane(n), newPlane(n), newPlane(n)} }

// at reads with the border mirrored (reflect-101), as lenses and resamplers need it.
func (p plane) at(x, y int) float32 { return p.pix[mirror(y, p.n)*p.n+mirror(x, p.n)] }

// mirror folds an index that is at most n-1 outside back into 0..n-1 without repeating the border sample.
func mirror(i, n int) int {
	if i < 0 {
		return -i
	}
	if i >= n {
		return 2*n - 2 - i
	}
	return i
}

// gaussian blurs a plane separably with standard deviation sigma in samples.
func (p plane) gaussian(sigma float64) plane {
	r := int(math.Ceil(3 * sigma))
	kernel := make([]float32, 2*r+1)
	var sum float32
	for i := range kernel {
		d := float64(i - r)
		kernel[i] = float32(math.Exp(-d * d / (2 * sigma * sigma)))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return p.alongX(kernel).transposed().alongX(kernel).transposed()
}

// alongX correlates every row with an odd kernel.
func (p plane) alongX(kernel []float32) plane {
	out, r := newPlane(p.n), len(kernel)/2
	for y := range p.n {
		row, to := p.pix[y*p.n:(y+1)*p.n], out.pix[y*p.n:(y+1)*p.n]
		for x := range p.n {
			var s float32
			if x >= r && x+r < p.n {
				for i, k := range kernel {
					s += k * row[x-r+i]
				}
			} else {
				for i, k := range kernel {
					s += k * row[mirror(x-r+i, p.n)]
				}
			}
			to[x] = s
		}
	}
	return out
}

func (p plane) transposed() plane {
	out := newPlane(p.n)
	for y := range p.n {
		for x := range p.n {
			out.pix[x*p.n+y] = p.pix[y*p.n+x]
		}
	}
	return out
}
