package pipeline

import (
	"image"
	"math"
)

// within returns the region as whole pixels of a w x h picture: rounded outward, so that nothing that was judged is cut
// off, and clipped. Detectors of faces round and pad at the border, so a box may stick out by one pixel; a box that sticks
// out further speaks of another picture, and cropping what is left of it would measure something else.
func (r Region) within(w, h int) (image.Rectangle, error) {
	if r.Whole() && r.X == 0 && r.Y == 0 {
		return image.Rect(0, 0, w, h), nil
	}
	const out, grain = 1, 1e-6 // grain: 0.1 + 0.2 has not left the pixel
	x0, y0, x1, y1 := r.X, r.Y, r.X+r.W, r.Y+r.H
	switch {
	case !(r.W > 0 && r.H > 0) || !allFinite(x0, y0, x1, y1):
		return image.Rectangle{}, refusal(ReasonRegion, "the box [%v %v %v %v] is empty or no number", r.X, r.Y, r.W, r.H)
	case x0 < -out-grain || y0 < -out-grain || x1 > float64(w)+out+grain || y1 > float64(h)+out+grain:
		return image.Rectangle{}, refusal(ReasonRegion, "the box [%v %v %v %v] lies outside the upright picture of %dx%d: "+
			"was it found in another size of the picture, or before it was turned (prepare.exif)?", r.X, r.Y, r.W, r.H, w, h)
	}
	box := image.Rect(int(math.Floor(x0+grain)), int(math.Floor(y0+grain)), int(math.Ceil(x1-grain)), int(math.Ceil(y1-grain)))
	box = box.Intersect(image.Rect(0, 0, w, h))
	if box.Empty() {
		return image.Rectangle{}, refusal(ReasonRegion, "the box [%v %v %v %v] holds no pixel of the %dx%d picture", r.X, r.Y, r.W, r.H, w, h)
	}
	return box, nil
}

func allFinite(vs ...float64) bool {
	for _, v := range vs {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
