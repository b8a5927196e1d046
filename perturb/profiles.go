package perturb

// Versions of the profiles that follow published tables; they change when any of their pixels can.
const (
	imagenetVersion = "1"
	df1Version      = "1"
)

// imagenetC has the 15 corruptions of ImageNet-C (Hendrycks and Dietterich, ICLR 2019, arXiv 1903.12261) at its parameters, in
// its order. Where a family of the graph has the same formula, it is that one at these levels.
func imagenetC() (all []Variant) {
	for _, f := range []Family{
		withLevels(noiseFamily(), .08, .12, .18, .26, .38), named("shot_noise"), named("impulse_noise"),
		named("defocus_blur"), named("glass_blur"), motionFamily(), named("zoom_blur"),
		named("snow"), named("frost"), named("fog"), brightnessFamily(),
		named("contrast"), named("elastic_transform"), named("pixelate"), withLevels(jpegFamily(), 25, 18, 15, 10, 7),
	} {
		all = append(all, allSeverities([]Family{f})...)
	}
	return all
}

// imagenetExtra has the four corruptions that ImageNet-C holds back for validation.
func imagenetExtra() []Variant {
	return allSeverities([]Family{named("speckle_noise"), named("gaussian_blur_sigma"), named("spatter"), named("saturate")})
}

// df1 has the distortions of DeeperForensics-1.0 (Jiang et al., CVPR 2020, arXiv 2001.03024) but for video compression, in its
// order. Two faults of the published code are mended: block-wise distortion does something to pictures below 256 pixels,
// and what is called JPEG compression there goes by the name of what it does, pixelation.
func df1() []Variant {
	return allSeverities([]Family{saturationFamily(), gainFamily(), occlusionFamily(), noiseYCbCrFamily(), blurFamily(), pixelationFamily()})
}

// withLevels is a family of one parameter at another table of severities.
func withLevels(f Family, levels ...float64) Family {
	for i, v := range levels {
		f.Severities[i] = []float64{v}
	}
	return f
}

// named is a family that is known to exist.
func named(name string) Family {
	f, err := findFamily(name)
	if err != nil {
		panic(err) // a name of this file is wrong: a test looks every suite up
	}
	return f
}
