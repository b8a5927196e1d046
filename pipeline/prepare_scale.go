package pipeline

import (
	"fmt"
	"image"
	"math"

	"shaketable/perturb"
)

// scaler brings a picture of any size to the detector's, as perturb.Resize says.
type scaler struct {
	width, height int
	method, fit   string
}

func newScaler(in perturb.Input) (scaler, error) {
	s := scaler{width: in.Width, height: in.Height, method: in.Resize.Method, fit: in.Resize.Fit}
	switch {
	case s.width <= 0 || s.height <= 0:
		return s, fmt.Errorf("prepare: the detector's input of %dx%d pixels must be at least 1x1", s.width, s.height)
	case s.method != "nearest" && s.method != "bilinear" && s.method != "area" && s.method != "bicubic":
		return s, fmt.Errorf("prepare: resize method %q must be nearest, bilinear, area or bicubic", s.method)
	case s.fit != "stretch" && s.fit != "crop" && s.fit != "letterbox":
		return s, fmt.Errorf("prepare: resize fit %q must be stretch, crop or letterbox", s.fit)
	}
	return s, nil
}

// memory bounds the bytes that scale allocates: the result, and rows of at most 8 bytes per sample.
func (s scaler) memory() int64 { return 3*int64(s.width)*int64(s.height) + 3*int64(s.width)*64 }

// resizeAxis is one dimension of a resize: `size` source pixels become `scaled`, of which only the n from `from` on are
// computed. So a fit that cuts never holds the part that is cut, however long it would be.
type resizeAxis struct{ size, scaled, from, n int }

// ratio is the source pixels per result pixel, rounded twice, like OpenCV's.
func (a resizeAxis) ratio() float64 { return 1 / (float64(a.scaled) / float64(a.size)) }

// scale returns the picture in the detector's size; one that has it already is returned as it is.
func (s scaler) scale(m Image) Image {
	if m.Width == s.width && m.Height == s.height {
		return m
	}
	x, y, at := s.axes(m.Width, m.Height)
	part := Image{Width: x.n, Height: y.n, Pix: make([]byte, 3*x.n*y.n)}
	enlarges := x.scaled > x.size || y.scaled > y.size
	switch {
	case s.method == "nearest" || x.size == x.scaled && y.size == y.scaled:
		nearestPixels(part.Pix, m, x, y)
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
// covers the input, and cuts the centre; letterbox scales both until it lies inside, and centres it on black (at). Odd
// margins go to the right and the bottom, sizes are rounded to the nearest pixel: torchvision's Resize and CenterCrop, and
// the usual letterbox.
func (s scaler) axes(w, h int) (x, y resizeAxis, at image.Point) {
	fx, fy := float64(s.width)/float64(w), float64(s.height)/float64(h)
	sw, sh := s.width, s.height
	switch s.fit {
	case "crop":
		sw = max(int(math.Round(float64(w)*max(fx, fy))), s.width)
		sh = max(int(math.Round(float64(h)*max(fx, fy))), s.height)
	case "letterbox":
		sw = min(max(int(math.Round(float64(w)*min(fx, fy))), 1), s.width)
		sh = min(max(int(math.Round(float64(h)*min(fx, fy))), 1), s.height)
	}
	x = resizeAxis{size: w, scaled: sw, from: max((sw-s.width)/2, 0), n: min(sw, s.width)}
	y = resizeAxis{size: h, scaled: sh, from: max((sh-s.height)/2, 0), n: min(sh, s.height)}
	return x, y, image.Pt((s.width-x.n)/2, (s.height-y.n)/2)
}
