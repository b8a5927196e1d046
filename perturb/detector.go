package perturb

// Input describes how a detector wants its picture: the tensor, and the arithmetic between a decoded uint8 RGB picture
// and that tensor. It is part of the detector's generation, and it is compiled into the probe graph.
type Input struct {
	// Name of the ONNX graph input. Empty: the only input that is not an initializer.
	Name string `yaml:"name"`
	// Width and Height in pixels of the picture that enters the graph.
	Width  int `yaml:"width"`
	Height int `yaml:"height"`
	// Layout of the tensor: "NCHW" or "NHWC".
	Layout string `yaml:"layout"`
	// Color is the channel order that the model was trained with: "RGB" or "BGR".
	Color string `yaml:"color"`
	// Scale is "unit" (pixels divided by 255) or "byte" (0..255). Mean and Std are in that scale.
	Scale string `yaml:"scale"`
	// Mean and Std are per channel, in the order that Color names: tensor = (pixel - mean) / std.
	Mean [3]float32 `yaml:"mean"`
	Std  [3]float32 `yaml:"std"`
	// Resize says how a picture of another size is brought to Width x Height; it happens before the graph.
	Resize Resize `yaml:"resize"`
}

// Resize is the geometry step between the decoded picture (or its region) and the detector's input.
type Resize struct {
	// Method is "nearest", "bilinear", "area" or "bicubic" (half-pixel centres, no antialias: what OpenCV does), or
	// "pillow_bilinear", "pillow_bicubic" or "pillow_lanczos" (antialiased: what Pillow, torchvision and timm do).
	Method string `yaml:"method"`
	// Fit is "stretch" (ignore the aspect ratio), "crop" (fill and cut the centre) or "letterbox" (pad with black).
	Fit string `yaml:"fit"`
	// Side is for fit crop: the shorter side in pixels that the picture is scaled to before the middle is cut out, such as 256 in
	// front of an input of 224 (torchvision's Resize(256) and CenterCrop(224)). 0: as small as covers the input. Left out of
	// the identity of a generation where it is 0, so that those from before it was there stay what they are.
	Side int `yaml:"side" json:",omitempty"`
}

// Output describes what the model returns and how it becomes p, the probability of fake.
type Output struct {
	// Name of the ONNX graph output. Empty: the only output.
	Name string `yaml:"name"`
	// Kind is "probability" (used as it is), "logit" (a sigmoid is applied) or "logits" (a softmax over the last axis).
	Kind string `yaml:"kind"`
	// Index picks the element of the last axis.
	Index int `yaml:"index"`
	// Meaning says what the picked element is the probability of: "fake" or "real" (then p = 1 - it).
	Meaning string `yaml:"meaning"`
}

// Variant is one perturbation at one severity. Index 0 of every probe is the clean picture: family "none", severity 0.
type Variant struct {
	Family    string
	Severity  int    // a label: 1..5 in the built-in suites, from 1 on in a user's own; 0 for the clean picture
	Parameter string // decides the pixels: "60", or "radius=10, sigma=3"; equal to the parameter column of ra_rr.csv
}

// Suite is a named, versioned list of variants in a fixed order; the order and the version are part of the generation.
type Suite struct {
	Name     string
	Version  string
	Variants []Variant // without the clean picture
	// Codec says how variants are recompressed, see WithCodec: CodecGraph (also if empty) or CodecExact. It is part of the
	// generation, too.
	Codec string
}
