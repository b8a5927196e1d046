package corrupt

import "sort"

// shotNoise is the noise of counting photons.
func shotNoise() Family {
	return Family{
		Name:       "shot_noise",
		Parameters: []Parameter{{Name: "rate", Unit: "photons of a full sample", Min: .5, Max: 500}},
		Severities: [5][]float64{{60}, {25}, {12}, {5}, {3}},
		Formula:    "Poisson(x rate) / rate, each sample on its own",
		Bounds:     "clipped to [0,1]",
		Source:     imageNetC,
		Random:     true,
		apply:      applyShotNoise,
	}
}

// imageNetC is where most formulas and severities are from.
const imageNetC = "ImageNet-C: github.com/hendrycks/robustness, make_imagenet_c.py; any size as in github.com/bethgelab/imagecorruptions"

func applyShotNoise(in raster, parameters []float64, chance *stream) raster {
	rate := parameters[0]
	var counts [256][]float64 // per level, the distribution of its count
	out := raster{make([]byte, len(in.pix)), in.w, in.h}
	for i, v := range in.pix {
		if counts[v] == nil {
			counts[v] = poisson(float64(v) / 255 * rate)
		}
		u := chance.uniform()
		count := sort.Search(len(counts[v])-1, func(k int) bool { return u < counts[v][k] })
		out.pix[i] = level(float64(count) / rate)
	}
	return out
}

// poisson is the cumulative distribution of a Poisson count: element k is P(count <= k), up to where float64 sees no more
// change, so at most the expectation plus some ten of its roots.
func poisson(expectation float64) []float64 {
	p := exponential(-expectation)
	sum := p
	cumulative := []float64{sum}
	for k := 1; ; k++ {
		p *= expectation / float64(k)
		if float64(k) > expectation && sum+p == sum {
			return cumulative
		}
		sum += p
		cumulative = append(cumulative, sum)
	}
}
