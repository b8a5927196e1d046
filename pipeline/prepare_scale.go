package pipeline

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"shaketable/perturb"
)

// scaler brings a picture of any size to the detector's, as perturb.Resize says.
type scaler struct {
	width, height int
	method, fit   string
	side          int
}

func newScaler(in perturb.Input) (scaler, error) {
	s := scaler{width: in.Width, height: in.Height, method: in.Resize.Method, fit: in.Resize.Fit, side: in.Resize.Side}
	switch {
	case s.width <= 0 || s.height <= 0:
		return s, fmt.Errorf("prepare: the detector's input of %dx%d pixels must be at least 1x1", s.width, s.height)
	case !slices.Contains(resizeMethods(), s.method):
		return s, fmt.Errorf("prepare: resize method %q must be one of %s", s.method, strings.Join(resizeMethods(), ", "))
	case s.fit != "stretch" && s.fit != "crop" && s.fit != "letterbox":
		return s, fmt.Errorf("prepare: resize fit %q must be stretch, crop or letterbox", s.fit)
	case s.side != 0 && (s.fit != "crop" || s.side < max(s.width, s.height)):
		return s, fmt.Errorf("prepare: resize side %d must be 0, or with fit crop at least %d, the larger side of the input", s.side, max(s.width, s.height))
	}
	return s, nil
}

// Scale brings a picture to in.Width x in.Height as in.Resize says: the last step of [Preparer.Prepare], on its own.
func Scale(m Image, in perturb.Input) (Image, error) {
	s, err := newScaler(in)
	if err != nil {
		return Image{}, err
	}
	return s.scale(m), nil
}

// memory bounds the bytes that scale allocates for a picture of some height: the result, and rows of at most 8 bytes per
// sample; Pillow holds all rows of the picture at the width of the result, or all columns at its height.
func (s scaler) memory(width, height int) int64 {
	need := 3*int64(s.width)*int64(s.height) + 3*int64(s.width)*64
	if strings.HasPrefix(s.method, pillowPrefix) {
		need += 3 * max(int64(s.width)*int64(height), int64(width)*int64(s.height))
	}
	return need
}

// resizeAxis is one dimension of a resize: `size` source pixels become `scaled`, of which only the n from `from` on are
// computed. So a fit that cuts never holds the part that is cut, however long it would be.
type resizeAxis struct{ size, scaled, from, n int }

// ratio is the source pixels per result pixel, rounded twice, like OpenCV's.
func (a resizeAxis) ratio() float64 { return 1 / (float64(a.scaled) / float64(a.size)) }

// scale returns the picture in the detector's size; one that has it already is returned as it is.
func (s scaler) scale(m Image) Image {
	if m.Width == s.width && m.Height == s.height && s.side <= min(s.width, s.height) {
		return m
	}
	x, y, at := s.axes(m.Width, m.Height)
	part := Image{Width: x.n, Height: y.n, Pix: make([]byte, 3*x.n*y.n)}
	enlarges := x.scaled > x.size || y.scaled > y.size
	switch {
	case s.method == "nearest" || x.size == x.scaled && y.size == y.scaled:
		nearestPixels(part.Pix, m, x, y)
	case strings.HasPrefix(s.method, pillowPrefix):
		resizePillow(part.Pix, m, x, y, pillowKernelOf(s.method))
	case s.method == "area" && !enlarges:
		boxMeans(part.Pix, m, x, y)
	case s.method == "area":
		interpolate(part.Pix, m, x.weights(linearOne, areaTaps), y.weights(linearOne, areaTaps))
	case s.method == "bicubic":
		interpolate(part.Pix, m, x.weights(cubicOne, cubicTaps), y.weights(cubicOne, cubicTaps))
	default:
		interpolate(part.Pix, m, x.weights(linearOne, linearTaps), y.weights(linearOne, linearTaps))
	}
	if x.n == s.width && y.n == s.height {
		return part
	}
	out := Image{Width: s.width, Height: s.height, Pix: make([]byte, 3*s.width*s.height)}
	for row := range y.n {
		copy(out.Pix[3*((at.Y+row)*s.width+at.X):], part.Pix[3*row*x.n:][:3*x.n])
	}
	return out
}

// axes lays a w x h picture out for the fit: stretch scales each side on its own; crop scales both until the picture
// covers the input, or its shorter side is `side`, and cuts the centre; letterbox scales both until it lies inside, and
// centres it on black (at). The crop is that of torchvision's Resize and CenterCrop: the longer side is rounded down, and
// half pixels of the margin to even. The letterbox is the usual one: sides to the nearest pixel, odd margins to the right
// and the bottom.
func (s scaler) axes(w, h int) (x, y resizeAxis, at image.Point) {
	switch s.fit {
	case "crop":
		sw, sh := s.covering(w, h)
		x = resizeAxis{size: w, scaled: sw, from: evenHalf(sw - s.width), n: s.width}
		y = resizeAxis{size: h, scaled: sh, from: evenHalf(sh - s.height), n: s.height}
		return x, y, at
	case "letterbox":
		f := min(float64(s.width)/float64(w), float64(s.height)/float64(h))
		sw := min(max(int(math.Round(float64(w)*f)), 1), s.width)
		sh := min(max(int(math.Round(float64(h)*f)), 1), s.height)
		return resizeAxis{size: w, scaled: sw, n: sw}, resizeAxis{size: h, scaled: sh, n: sh}, image.Pt((s.width-sw)/2, (s.height-sh)/2)
	}
	return resizeAxis{size: w, scaled: s.width, n: s.width}, resizeAxis{size: h, scaled: s.height, n: s.height}, at
}

// covering is the size that a picture is scaled to before it is cropped.
func (s scaler) covering(w, h int) (sw, sh int) {
	longer := func(to, long, short int) int { return int(float64(to) * float64(long) / float64(short)) }
	switch {
	case s.side > 0 && w <= h:
		return s.side, max(longer(s.side, h, w), s.height)
	case s.side > 0:
		return max(longer(s.side, w, h), s.width), s.side
	case s.width*h >= s.height*w:
		return s.width, max(longer(s.width, h, w), s.height)
	}
	return max(longer(s.height, w, h), s.width), s.height
}

// evenHalf halves a margin; halves of a pixel go to the even one.
func evenHalf(margin int) int { return int(math.RoundToEven(float64(margin) / 2)) }
