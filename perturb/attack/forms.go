package attack

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// form returns an adversarial picture as it is scored, with its value, and how many passes that took.
func (t *trial) form(ctx context.Context, s Spec, name string, at point) (point, int, error) {
	if name == "float" {
		return at, 0, nil
	}
	pix := t.quantise(s, at.x)
	if name == "jpeg90" {
		if t.set.JPEG == nil {
			return point{}, 0, errors.New("no JPEG codec was given")
		}
		decoded, err := t.set.JPEG(pix, t.w, t.h, 90)
		if err != nil {
			return point{}, 0, err
		}
		if len(decoded) != len(pix) {
			return point{}, 0, fmt.Errorf("the JPEG codec returned %d bytes for %d", len(decoded), len(pix))
		}
		pix = decoded
	}
	x := planes(pix)
	if same(x, t.clean.x) {
		return point{x, t.clean.value}, 0, nil
	}
	v, err := t.score(ctx, x)
	return point{x, v}, 1, err
}

// quantise rounds to k/255, halves up, and returns into the budget if the rounding left it: in l-infinity to the nearest k
// inside; in l2 by taking back one grey level where the rounding went farthest beyond, until the norm holds.
func (t *trial) quantise(s Spec, x []float32) []byte {
	pix := make([]byte, len(t.pic.Pix))
	t.eachPixel(func(plane, at int) { pix[at] = byte(math.Floor(float64(x[plane])*255 + .5)) })
	if s.Norm == "linf" {
		most := int(math.Floor(s.Eps*255 + 1e-9)) // eps = 2/255 is two levels, though 2/255*255 may be a rounding less
		for at, k := range pix {
			clean := int(t.pic.Pix[at])
			pix[at] = byte(max(clean-most, min(clean+most, int(k))))
		}
		return pix
	}
	t.retreat(s, x, pix)
	return pix
}

// retreat takes back roundings, the largest first and then by position, until the L2 norm of pix-clean is at most eps.
func (t *trial) retreat(s Spec, x []float32, pix []byte) {
	squares, most := 0, s.Eps*s.Eps*255*255*(1+1e-12)
	for at, k := range pix {
		d := int(k) - int(t.pic.Pix[at])
		squares += d * d
	}
	if float64(squares) <= most {
		return
	}
	type moved struct {
		at, toward int
		beyond     float64
	}
	var list []moved
	t.eachPixel(func(plane, at int) {
		d := float64(pix[at]) - float64(t.pic.Pix[at])
		if d != 0 {
			list = append(list, moved{at, int(math.Copysign(1, -d)), math.Abs(d) - math.Abs(float64(x[plane])*255-float64(t.pic.Pix[at]))})
		}
	})
	slices.SortFunc(list, func(a, b moved) int {
		switch {
		case a.beyond != b.beyond && a.beyond > b.beyond:
			return -1
		case a.beyond != b.beyond:
			return 1
		}
		return a.at - b.at
	})
	for float64(squares) > most { // a round takes back one level of each; all of them gone is a norm of 0
		for _, m := range list {
			d := int(pix[m.at]) - int(t.pic.Pix[m.at])
			if d == 0 || float64(squares) <= most {
				continue
			}
			pix[m.at] = byte(int(pix[m.at]) + m.toward)
			squares -= 2*max(d, -d) - 1
		}
	}
}

// planes turns 8-bit RGB pixels into float32 planes of k/255.
func planes(pix []byte) []float32 {
	x, n := make([]float32, len(pix)), len(pix)/3
	for i := range n {
		x[i], x[n+i], x[2*n+i] = float32(pix[3*i])/255, float32(pix[3*i+1])/255, float32(pix[3*i+2])/255
	}
	return x
}

// eachPixel visits every value: where it lies in the planes, and where in the pixels.
func (t *trial) eachPixel(visit func(plane, at int)) {
	n := t.w * t.h
	for i := range n {
		for c := range 3 {
			visit(c*n+i, 3*i+c)
		}
	}
}
