package corrupt

// saturate washes colours out or drives them to their limit.
func saturate() Family {
	return Family{
		Name: "saturate",
		Parameters: []Parameter{
			{Name: "scale", Unit: "times the saturation", Min: 0, Max: 100},
			{Name: "offset", Unit: "added to the saturation", Min: -1, Max: 1},
		},
		Severities: [5][]float64{{.3, 0}, {.1, 0}, {2, 0}, {5, .1}, {20, .2}},
		Formula:    "S of HSV becomes clip(S scale + offset); hue and value stay. Grey has hue 0: an offset makes it red",
		Bounds:     "S is clipped to [0,1]",
		Source:     imageNetC + " (one of the four extra corruptions)",
		apply:      applySaturate,
	}
}

// applySaturate needs no hue: with V the largest channel and S = (V - smallest)/V, every channel is V - S t for some t of
// [0,V] that the hue decides, so a new saturation stretches V - x by the ratio of both.
func applySaturate(in raster, parameters []float64, _ *stream) raster {
	out := raster{make([]byte, len(in.pix)), in.w, in.h}
	for i := 0; i < len(in.pix); i += 3 {
		r, g, b := in.pix[i], in.pix[i+1], in.pix[i+2]
		most, least := max(r, g, b), min(r, g, b)
		value := float64(most) / 255
		if most == least { // grey counts as red of saturation 0
			s := min(max(parameters[1], 0), 1)
			out.pix[i], out.pix[i+1] = most, level(value*(1-s))
			out.pix[i+2] = out.pix[i+1]
			continue
		}
		old := float64(most-least) / float64(most)
		ratio := min(max(float64(old*parameters[0])+parameters[1], 0), 1) / old
		for c, v := range []byte{r, g, b} {
			out.pix[i+c] = level(value - float64(float64(most-v)/255*ratio))
		}
	}
	return out
}
