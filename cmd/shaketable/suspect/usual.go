package suspect

import (
	"fmt"
	"slices"

	"shaketable/perturb"
)

// levels is a way to bring pixels to the numbers of the tensor.
type levels struct {
	scale     string
	mean, std [3]float32
}

// usualLevels are the ways that model zoos and their examples use, in RGB order; those of three different channels are
// tried in both orders, because they are given in one and used in the other.
func usualLevels() []levels {
	even := func(v float32) [3]float32 { return [3]float32{v, v, v} }
	return []levels{
		{"unit", even(0), even(1)},
		{"byte", even(0), even(1)},
		{"unit", even(.5), even(.5)},                                         // to -1..1: Inception, Xception, many face models
		{"byte", even(127.5), even(128)},                                     // to -1..1, nearly: MTCNN, FaceNet, InsightFace
		{"unit", [3]float32{.485, .456, .406}, [3]float32{.229, .224, .225}}, // ImageNet: torchvision, timm
		{"byte", [3]float32{123.68, 116.779, 103.939}, even(1)},              // ImageNet: Caffe, Keras VGG and ResNet
		{"unit", [3]float32{.48145466, .4578275, .40821073}, [3]float32{.26862954, .26130258, .27577711}}, // CLIP
	}
}

// otherLevels are those that are not the configured ones: the usual ones, the configured ones with the other scale, and what becomes
// of the usual ones when the division by 255 is forgotten, or done twice.
func otherLevels(in perturb.Input) []levels {
	own := levels{in.Scale, in.Mean, in.Std}
	list := []levels{{flipped(in.Scale), in.Mean, in.Std}, {in.Scale, [3]float32{}, in.Std}}
	for _, l := range usualLevels() {
		for _, order := range []levels{l, {l.scale, reversed(l.mean), reversed(l.std)}} {
			list = append(list, order, levels{flipped(l.scale), order.mean, order.std})
		}
	}
	list = append(list, levels{in.Scale, reversed(in.Mean), reversed(in.Std)})
	seen := map[string]bool{own.affine(): true}
	return slices.DeleteFunc(list, func(l levels) bool {
		key := l.affine()
		if seen[key] {
			return true
		}
		seen[key] = true
		return false
	})
}

func flipped(scale string) string {
	if scale == "unit" {
		return "byte"
	}
	return "unit"
}

func reversed(v [3]float32) [3]float32 { return [3]float32{v[2], v[1], v[0]} }

// affine is what the levels do to a pixel, factor and offset per channel, rounded so that two spellings of the same are
// the same: (k/255 - .5)/.5 is (k - 127.5)/127.5.
func (l levels) affine() string {
	factor, offset := l.terms()
	return fmt.Sprintf("%.5g %.5g", factor, offset)
}

// terms are factor and offset per channel in the arithmetic of the probe graph, which must be matched to the last bit.
func (l levels) terms() (factor, offset [3]float32) {
	scale := 1.
	if l.scale == "unit" {
		scale = 1. / 255
	}
	for c := range 3 {
		std := float64(l.std[c])
		factor[c] = float32(scale / std)
		offset[c] = float32(-float64(l.mean[c]) / std)
	}
	return factor, offset
}

// geometry is how a picture comes to the size of the input.
type geometry struct {
	resize        perturb.Resize
	exif          string
	width, height int
}

func methods() []string {
	return []string{"nearest", "bilinear", "area", "bicubic", "pillow_bilinear", "pillow_bicubic", "pillow_lanczos"}
}

// fitsOf are the ways to the shape of an input. The last crops are those of ImageNet: 224 is cut out of 256 (.875), timm also
// has .9 and .95; of a share that is meant, timm rounds the side down.
func fitsOf(larger int) []perturb.Resize {
	list := []perturb.Resize{{Fit: "stretch"}, {Fit: "crop"}, {Fit: "letterbox"}}
	for _, share := range []float64{.875, .9, .95} {
		list = append(list, perturb.Resize{Fit: "crop", Side: int(float64(larger) / share)})
	}
	return list
}
