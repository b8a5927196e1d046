package inspect

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/cmd/shaketable/suspect"
	"shaketable/config"
	"shaketable/perturb/graph"
	"shaketable/perturb/graph/onnx"
	"shaketable/pipeline"
)

// built is a model whose body is made by build from an input of these dimensions.
func built(t *testing.T, element onnx.TensorProto_DataType, dims []int64, output string, outDims []int64, build func(b *graph.Builder, x string) string) *onnx.ModelProto {
	t.Helper()
	b := graph.NewBuilder("test", 17)
	y := build(b, b.Input("image", element, dims...))
	b.Output(output, y, graph.Float32, outDims...)
	return b.Model(nil)
}

func bytesOf(t *testing.T, m *onnx.ModelProto) []byte {
	t.Helper()
	data, err := graph.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// conv is a first convolution of 3 channels, 16 times smaller.
func conv(b *graph.Builder, x string) string {
	return b.Op("Conv", []string{x, b.Floats(make([]float32, 4*3*16*16), 4, 3, 16, 16)}, graph.IntsAttr("strides", 16, 16))
}

// pooled ends a network of any size in so many values.
func pooled(b *graph.Builder, x string, values int64) string {
	x = b.Op("Flatten", []string{b.Call("GlobalAveragePool", x)}, graph.IntAttr("axis", 1))
	return b.Op("Gemm", []string{x, b.Floats(make([]float32, 4*values), 4, values)})
}

// dense ends a network of one size.
func dense(b *graph.Builder, x string, cells int64) string {
	return b.Op("Gemm", []string{b.Op("Flatten", []string{x}, graph.IntAttr("axis", 1)), b.Floats(make([]float32, 4*cells), 4*cells, 1)})
}

const n = graph.Unknown

func TestSettle(t *testing.T) {
	open := []int64{n, 3, n, n}
	fixed := []int64{n, 3, 64, 64}
	mean := func(b *graph.Builder, v ...float32) string { return b.Floats(v, 1, 3, 1, 1) }
	for _, c := range []struct {
		name    string
		element onnx.TensorProto_DataType
		dims    []int64
		given   Size
		build   func(b *graph.Builder, x string) string
		topic   string
		want    Certainty
		text    string
		why     string
	}{
		{"fixed size", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) },
			"size", Found, "64 x 64", "the file fixes it"},
		{"any size", graph.Float32, open, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) },
			"size", Ask, "runs at any", "--size HxW"},
		{"any size, said", graph.Float32, open, Size{Width: 96, Height: 64}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) },
			"size", Found, "96 x 64", "--size"},
		{"one size fits", graph.Float32, open, Size{}, func(b *graph.Builder, x string) string { return dense(b, conv(b, x), 14*14) },
			"size", Found, "224 x 224", "the only one that fits"},
		{"few sizes fit", graph.Float32, open, Size{}, func(b *graph.Builder, x string) string { return dense(b, conv(b, x), 18*18) },
			"size", Guessed, "299 x 299", "[299 288 300]"},
		{"no size fits", graph.Float32, open, Size{}, func(b *graph.Builder, x string) string { return dense(b, conv(b, x), 7) },
			"size", Ask, "open", "none of the"},
		{"NCHW", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) }, "layout", Found, "NCHW", "second place"},
		{"NHWC", graph.Float32, []int64{n, 64, 64, 3}, Size{}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, b.Transpose(x, 0, 3, 1, 2)), 2)
		}, "layout", Found, "NHWC", "last place"},
		{"NHWC by its use", graph.Float32, []int64{n, n, n, n}, Size{Width: 64, Height: 64}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, b.Transpose(x, 0, 3, 1, 2)), 2)
		}, "layout", Found, "NHWC", "turns [0, 3, 1, 2]"},
		{"NCHW by its use", graph.Float32, []int64{n, n, n, n}, Size{Width: 64, Height: 64}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, x), 2)
		}, "layout", Found, "NCHW", "first convolution"},
		{"no layout", graph.Float32, []int64{n, n, n, n}, Size{Width: 64, Height: 64}, func(b *graph.Builder, x string) string {
			return b.Reshape(b.Reduce("ReduceMean", x, 1, 2, 3), -1, 1)
		}, "layout", Guessed, "NCHW", "verify tries the other"},
		{"nothing done to pixels", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) },
			"mean, std", Verify, "none", ""},
		{"bytes in the graph", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			x = b.Call("Sub", b.Call("Div", x, b.Float(255)), mean(b, .485, .456, .406))
			return pooled(b, conv(b, b.Call("Div", x, mean(b, .229, .224, .225))), 2)
		}, "mean, std", Found, "none", "divide by 255; then subtract 0.485, 0.456, 0.406; then divide by 0.229, 0.224, 0.225"},
		{"scale of those", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, b.Call("Mul", x, b.Float(1./255))), 2)
		}, "scale", Found, "byte", "multiply by 0.003922"},
		{"caffe in the graph", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, b.Call("Sub", x, mean(b, 103.939, 116.779, 123.68))), 2)
		}, "scale", Guessed, "byte", "subtract 103.9"},
		{"unit in the graph", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			return pooled(b, conv(b, b.Call("Sub", x, mean(b, .5, .5, .5))), 2)
		}, "scale", Guessed, "unit", "subtract 0.5"},
		{"learned statistics", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			three := b.Floats([]float32{1, 1, 1}, 3)
			return pooled(b, conv(b, b.Op("BatchNormalization", []string{x, three, three, three, three})), 2)
		}, "scale", Verify, "unit", "has learned"},
		{"uint8", graph.Uint8, fixed, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, b.Cast(x, graph.Float32)), 2) },
			"scale", Found, "byte", "uint8"},
		{"resize in the graph", graph.Float32, fixed, Size{}, func(b *graph.Builder, x string) string {
			x = b.Op("Resize", []string{x, "", b.Floats([]float32{1, 1, .5, .5}, 4)})
			return pooled(b, conv(b, x), 2)
		}, "in the graph", Warning, "resizes", ""},
		{"fixed batch", graph.Float32, []int64{4, 3, 64, 64}, Size{}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) },
			"batch", Warning, "fixed at 4", "dynamic_axes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(bytesOf(t, built(t, c.element, c.dims, "logits", []int64{n, 2}, c.build)))
			if err != nil {
				t.Fatal(err)
			}
			s, err := m.Settle(c.given)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Line(c.topic)
			if got.Certainty != c.want || !strings.Contains(got.Text, c.text) || !strings.Contains(got.Why, c.why) {
				t.Errorf("%+v", got)
			}
			if s.Asks() != (c.want == Ask) {
				t.Errorf("asks: %v", s.Asks())
			}
			if !s.Asks() && (s.Input.Width == 0 || s.Input.Height == 0) {
				t.Errorf("no size: %+v", s.Input)
			}
		})
	}
	m, err := Open(bytesOf(t, built(t, graph.Float32, fixed, "logits", []int64{n, 2}, func(b *graph.Builder, x string) string { return pooled(b, conv(b, x), 2) })))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Settle(Size{Width: 32, Height: 32}); err == nil || !strings.Contains(err.Error(), "the file fixes the input at 64x64") {
		t.Errorf("another size was taken: %v", err)
	}
}

// tail ends a network of four values in what follows the logits.
func tail(values int64, end func(b *graph.Builder, x string) string) func(b *graph.Builder, x string) string {
	return func(b *graph.Builder, x string) string { return end(b, pooled(b, conv(b, x), values)) }
}

func TestRead(t *testing.T) {
	call := func(op string) func(b *graph.Builder, x string) string {
		return func(b *graph.Builder, x string) string { return b.Reshape(b.Call(op, x), -1, 2) }
	}
	none := func(_ *graph.Builder, x string) string { return x }
	for _, c := range []struct {
		values [][]float32
		want   bool
	}{{[][]float32{{.4}, {.4}, {.4}}, true}, {[][]float32{{.4}, {.4}, {.40001}}, false}, {[][]float32{{.4}, {.4}}, false}} {
		p := built(t, graph.Float32, []int64{n, 3, 64, 64}, "y", []int64{n, 1}, tail(1, none))
		m, err := Open(bytesOf(t, p))
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.Settle(Size{})
		if err != nil {
			t.Fatal(err)
		}
		var runs [][]suspect.Output
		for _, v := range c.values {
			runs = append(runs, []suspect.Output{{Name: "y", Values: v}})
		}
		if got := m.Read(s, runs).Line("scores").Certainty == Warning; got != c.want {
			t.Errorf("%v: warned %v", c.values, got)
		}
	}
	for _, c := range []struct {
		name    string
		output  string
		build   func(b *graph.Builder, x string) string
		meta    [2]string
		values  [][]float32
		kind    Certainty
		out     string // kind index meaning
		meaning Certainty
	}{
		{"sigmoid", "score", tail(1, func(b *graph.Builder, x string) string { return b.Call("Sigmoid", x) }), [2]string{}, [][]float32{{.2}, {.9}}, Found, "probability 0 fake", Verify},
		{"named real", "prob_real", tail(1, none), [2]string{}, [][]float32{{-3}, {4}}, Found, "logit 0 real", Guessed},
		{"named fake", "isFake", tail(1, none), [2]string{}, [][]float32{{-3}, {4}}, Found, "logit 0 fake", Guessed},
		{"named both", "real_fake", tail(1, none), [2]string{}, [][]float32{{-3}, {4}}, Found, "logit 0 fake", Verify},
		{"logit in bounds", "y", tail(1, none), [2]string{}, [][]float32{{.2}, {.9}}, Guessed, "probability 0 fake", Verify},
		{"softmax", "y", tail(2, call("Softmax")), [2]string{}, [][]float32{{.2, .8}, {.5, .5}}, Found, "probability 1 fake", Verify},
		{"logits", "y", tail(2, none), [2]string{}, [][]float32{{-2, 8}, {.5, .5}}, Found, "logits 1 fake", Verify},
		{"log softmax", "y", tail(2, call("LogSoftmax")), [2]string{}, [][]float32{{-2, -.1}, {-.5, -.9}}, Found, "logits 1 fake", Verify},
		{"tanh", "y", tail(1, func(b *graph.Builder, x string) string { return b.Call("Tanh", x) }), [2]string{}, [][]float32{{-.2}, {.1}}, Warning, "logit 0 fake", Verify},
		{"softmax of one", "y", tail(1, func(b *graph.Builder, x string) string { return b.Call("Softmax", x) }), [2]string{}, [][]float32{{1}, {1}}, Warning, "probability 0 fake", Verify},
		{"half of a softmax", "y", tail(2, func(b *graph.Builder, x string) string { return b.Slice(b.Call("Softmax", x), 1, 1, 2) }), [2]string{}, [][]float32{{.3}, {.4}}, Found, "probability 0 fake", Verify},
		{"sums to one", "y", tail(2, func(b *graph.Builder, x string) string {
			return b.Call("Div", b.Call("Exp", x), b.Reduce("ReduceSum", b.Call("Exp", x), 1))
		}), [2]string{}, [][]float32{{.25, .75}, {.5, .5}}, Guessed, "probability 1 fake", Verify},
		{"names in a mapping", "y", tail(2, none), [2]string{"names", "{0: 'FAKE', 1: 'REAL'}"}, [][]float32{{-2, 8}}, Found, "logits 0 fake", Found},
		{"names in a list", "y", tail(2, none), [2]string{"class_names", `["live", "spoof"]`}, [][]float32{{-2, 8}}, Found, "logits 1 fake", Found},
		{"names by label", "y", tail(2, none), [2]string{"label2id", `{"Deepfake": 0, "Real": 1}`}, [][]float32{{-2, 8}}, Found, "logits 0 fake", Found},
		{"names in words", "y", tail(2, none), [2]string{"labels", `real,fake`}, [][]float32{{-2, 8}}, Found, "logits 1 fake", Found},
		{"names of something else", "y", tail(2, none), [2]string{"labels", `cat,dog`}, [][]float32{{-2, 8}}, Found, "logits 1 fake", Verify},
		{"three classes", "y", tail(3, none), [2]string{}, [][]float32{{-2, 8, 1}}, Found, "logits 0 fake", Verify},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := built(t, graph.Float32, []int64{n, 3, 64, 64}, c.output, []int64{n, int64(len(c.values[0]))}, c.build)
			if c.meta[0] != "" {
				p.MetadataProps = append(p.MetadataProps, &onnx.StringStringEntryProto{Key: proto.String(c.meta[0]), Value: proto.String(c.meta[1])})
			}
			m, err := Open(bytesOf(t, p))
			if err != nil {
				t.Fatal(err)
			}
			s, err := m.Settle(Size{})
			if err != nil {
				t.Fatal(err)
			}
			var runs [][]suspect.Output
			for _, v := range c.values {
				runs = append(runs, []suspect.Output{{Name: c.output, Values: v}})
			}
			s = m.Read(s, runs)
			got := strings.Join([]string{s.Output.Kind, string(rune('0' + s.Output.Index)), s.Output.Meaning}, " ")
			if got != c.out || s.Line("kind").Certainty != c.kind || s.Line("meaning").Certainty != c.meaning || s.Output.Name != c.output {
				t.Errorf("%s %q, %+v, %+v", got, s.Output.Name, s.Line("kind"), s.Line("meaning"))
			}
		})
	}
}

func TestReadChoosesAnOutput(t *testing.T) {
	b := graph.NewBuilder("test", 17)
	x := conv(b, b.Input("image", graph.Float32, n, 3, 64, 64))
	for name, values := range map[string]int64{"embedding": 128, "prob_fake": 1, "aux": 2} {
		b.Output(name, pooled(b, x, values), graph.Float32, n, values)
	}
	b.Output("class", b.Op("ArgMax", []string{pooled(b, x, 2)}), graph.Int64, 1, 2)
	m, err := Open(bytesOf(t, b.Model(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Outputs) != 3 || len(m.Others) != 1 {
		t.Fatalf("%v, %v", m.Outputs, m.Others)
	}
	s, err := m.Settle(Size{})
	if err != nil {
		t.Fatal(err)
	}
	s = m.Read(s, [][]suspect.Output{{{Name: "embedding", Values: make([]float32, 128)}, {Name: "aux", Values: []float32{3, -2}}, {Name: "prob_fake", Values: []float32{-5}}}})
	if l := s.Line("output"); s.Output.Name != "prob_fake" || l.Certainty != Guessed || !strings.Contains(l.Why, "embedding (128 values)") || !strings.Contains(l.Why, "class (int64)") {
		t.Errorf("%s: %+v", s.Output.Name, l)
	}
}

func TestOpenRefuses(t *testing.T) {
	picture := func(element onnx.TensorProto_DataType, dims ...int64) []byte {
		return bytesOf(t, built(t, element, dims, "y", []int64{1}, func(b *graph.Builder, x string) string { return b.Cast(x, graph.Float32) }))
	}
	good := picture(graph.Float32, n, 3, 8, 8)
	two := graph.NewBuilder("two", 17)
	two.Output("y", two.Call("Add", two.Input("image", graph.Float32, n, 3, 8, 8), two.Input("mask", graph.Float32, n, 3, 8, 8)), graph.Float32, 1)
	zero := graph.NewBuilder("zero", 17)
	zero.Output("y", zero.Call("Neg", zero.Float(1)), graph.Float32)
	classes := graph.NewBuilder("classes", 17)
	classes.Output("y", classes.Cast(classes.Input("image", graph.Float32, n, 3, 8, 8), graph.Int64), graph.Int64, 1)
	old, outside := built(t, graph.Float32, []int64{n, 3, 8, 8}, "y", []int64{1}, func(b *graph.Builder, x string) string { return b.Call("Neg", x) }), &onnx.ModelProto{}
	proto.Merge(outside, old)
	old.OpsetImport[0].Version = proto.Int64(9)
	outside.Graph.Initializer = append(outside.Graph.Initializer, &onnx.TensorProto{Name: proto.String("w"), DataLocation: onnx.TensorProto_EXTERNAL.Enum()})
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "it is empty"},
		{"PyTorch", []byte("PK\x03\x04archive"), "torch.onnx.export"},
		{"Git LFS", []byte("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"},
		{"Keras", []byte("\x89HDF\r\n\x1a\n"), "tf2onnx"},
		{"TensorFlow Lite", []byte("\x1c\x00\x00\x00TFL3...."), "TensorFlow Lite"},
		{"safetensors", []byte("\x20\x00\x00\x00\x00\x00\x00\x00{\"a\":{\"dtype\":\"F32\"}}"), "safetensors"},
		{"web page", []byte("<!DOCTYPE html>"), "download went wrong"},
		{"truncated", good[:len(good)/2], "truncated"},
		{"text", []byte("hello, world"), "not an onnx model"},
		{"opset", bytesOf(t, old), "opset 9"},
		{"external data", bytesOf(t, outside), "another file"},
		{"no input", bytesOf(t, zero.Model(nil)), "has no input"},
		{"two inputs", bytesOf(t, two.Model(nil)), "has 2 inputs (image float [N, 3, 8, 8]; mask float [N, 3, 8, 8])"},
		{"sound", picture(graph.Float32, n, 16000), "sound, text or features"},
		{"clips", picture(graph.Float32, n, 16, 3, 8, 8), "clips"},
		{"grey", picture(graph.Float32, n, 1, 8, 8), "no pictures in colour"},
		{"tokens", picture(graph.Int64, n, 3, 8, 8), "a picture is float"},
		{"classes", bytesOf(t, classes.Model(nil)), "a score is needed"},
	} {
		if _, err := Open(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Open(good); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// TestYAML: what is written is read back as it was meant, and says what is open.
func TestYAML(t *testing.T) {
	m, err := Open(bytesOf(t, built(t, graph.Float32, []int64{n, 3, 64, 80}, "prob_real", []int64{n, 1}, tail(1, func(b *graph.Builder, x string) string { return b.Call("Sigmoid", x) }))))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Settle(Size{})
	if err != nil {
		t.Fatal(err)
	}
	s = m.Read(s, [][]suspect.Output{{{Name: "prob_real", Values: []float32{.5}}}})
	d := pipeline.Detector{Name: "it's: a test", Version: "1", Input: s.Input, Output: s.Output, Threshold: .5}
	d.Name, d.Model.Path = "d", `odd "name": #1.onnx`
	d.Model.SHA256 = strings.Repeat("0", 64)
	text := YAML(d, s)
	path := filepath.Join(t.TempDir(), "detectors.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := config.LoadDetectors(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got := list[0]
	if got.Input != d.Input || got.Output != d.Output || filepath.Base(got.Model.Path) != d.Model.Path || got.Model.SHA256 != d.Model.SHA256 {
		t.Errorf("%+v\n%s", got, text)
	}
	for _, want := range []string{"color: RGB   # VERIFY: ", "meaning: real   # GUESSED: the output is called prob_real", "kind: probability\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
	if i := slices.IndexFunc(s.Lines, func(l Line) bool { return l.Why == "" }); i >= 0 {
		t.Errorf("a line without a reason: %+v", s.Lines[i])
	}
}
