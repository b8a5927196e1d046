package corrupt

import (
	"fmt"
	"math"
)

// zoomBlur is a camera that moves towards its subject while the shutter is open.
func zoomBlur() Family {
	return Family{
		Name: "zoom_blur",
		Parameters: []Parameter{
			{Name: "stop", Unit: "times, where zooming ends", Min: 1.01, Max: 3},
			{Name: "step", Unit: "of the zoom from layer to layer", Min: .005, Max: 1},
		},
		Severities: [5][]float64{{1.11, .01}, {1.16, .01}, {1.21, .02}, {1.26, .02}, {1.31, .03}},
		Formula:    "the mean of x and of x enlarged about its middle by 1, 1+step, ... below stop (as NumPy's arange counts, which lets 1.11 in), linearly between samples",
		Bounds:     "what leaves the picture is cut off; nothing has to be invented",
		Source:     imageNetC,
		valid: func(parameters []float64) error {
			if n := layers(parameters[0], parameters[1]); n > 200 {
				return fmt.Errorf("corrupt: zoom_blur: stop = %g and step = %g make %d layers: at most 200 are allowed", parameters[0], parameters[1], n)
			}
			return nil
		},
		apply: applyZoomBlur,
	}
}

// layers counts 1, 1+step, ... below stop with the arithmetic of NumPy's arange, which lets 1.11 in, because the division
// comes out a trace above 11.
func layers(stop, step float64) int { return int(math.Ceil((stop - 1) / step)) }

// layer is the factor of layer k, also as arange makes it: the last bit decides whether ceil(side/factor) is one more.
func layer(k int, step float64) float64 {
	second := 1 + step
	return 1 + float64(float64(k)*(second-1))
}

func applyZoomBlur(in raster, parameters []float64, _ *stream) raster {
	n := layers(parameters[0], parameters[1])
	return in.picture().each(func(plane []float64) []float64 {
		sum := append([]float64(nil), plane...)
		for k := range n {
			for i, v := range zoomed(plane, in.w, in.h, layer(k, parameters[1])) {
				sum[i] += v
			}
		}
		for i := range sum {
			sum[i] /= float64(n + 1)
		}
		return sum
	}).raster()
}
