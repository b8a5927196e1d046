package eval

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/graphtest"
	"shaketable/perturb/graph/onnx"
)

// menagerie is a graph with one of many kinds of nodes, for x [2,3,8,8].
func menagerie() *onnx.ModelProto {
	b := graph.NewBuilder("menagerie", 17)
	x := b.Input("x", graph.Float32, 2, 3, 8, 8)
	w := b.Floats(make([]float32, 4*3*3*3), 4, 3, 3, 3)
	y := b.Op("Conv", []string{x, w}, graph.IntsAttr("pads", 1, 1, 1, 1), graph.IntsAttr("strides", 2, 2), graph.IntsAttr("dilations", 1, 1), graph.IntAttr("group", 1))
	y = b.Op("ConvTranspose", []string{y, w}, graph.IntsAttr("strides", 2, 2), graph.IntsAttr("output_padding", 1, 1))
	y = b.Op("MaxPool", []string{y}, graph.IntsAttr("kernel_shape", 3, 3), graph.IntsAttr("strides", 2, 2), graph.IntAttr("ceil_mode", 1))
	y = b.Op("AveragePool", []string{y}, graph.IntsAttr("kernel_shape", 2, 2), graph.IntsAttr("pads", 1, 1, 0, 0), graph.IntAttr("count_include_pad", 1))
	y = b.Op("LpPool", []string{y}, graph.IntsAttr("kernel_shape", 2, 2), graph.IntAttr("p", 2))
	y = b.Op("Pad", []string{y, b.Ints(0, 0, 1, 2, 0, 0, 1, -1)}, graph.StringAttr("mode", "reflect"))
	y = b.Op("Resize", []string{y, "", b.Floats([]float32{1, 1, 1.5, 2}, 4)}, graph.StringAttr("mode", "cubic"))
	y = b.Call("Slice", y, b.Ints(0, 6), b.Ints(4, 0), b.Ints(2, 3), b.Ints(1, -1))
	y = b.Op("Softmax", []string{y}, graph.IntAttr("axis", 1))
	y = b.Reshape(y, 2, 3, -1)
	parts := b.Split(y, 1, 1, 2)
	z := b.Call("MatMul", b.Transpose(parts[1], 0, 2, 1), parts[1])
	z = b.Op("Einsum", []string{z, z}, graph.StringAttr("equation", "bij,bkj->bik"))
	z = b.Call("LayerNormalization", z, b.Call("ConstantOfShape", b.Op("Shape", []string{z}, graph.IntAttr("start", -1))))
	z = b.Gather(z, 1, 0, 2, -1)
	z = b.Call("GatherND", z, b.Const(graph.Int64Tensor("", []int64{0, 1, 1, 0}, 2, 2)))
	z = b.Call("Tile", z, b.Ints(2, 3))
	z = b.Unsqueeze(b.Reduce("ReduceMean", b.Call("Expand", z, b.Ints(2, 4, 1)), 1, -1), 0)
	z = b.Op("CumSum", []string{b.Squeeze(z, 0), b.Const(graph.Int64Tensor("", []int64{0}))})
	z = b.Op("Trilu", []string{b.Op("Flatten", []string{z}, graph.IntAttr("axis", 1)), ""})
	z = b.Op("OneHot", []string{b.Op("ArgMax", []string{z}, graph.IntAttr("axis", 0)), b.Ints(4), b.Floats([]float32{0, 1}, 2)}, graph.IntAttr("axis", -1))
	z = b.Call("DequantizeLinear", b.Quantize(z, .5, 3), b.Float(.5), b.Const(graph.Uint8Tensor("", []byte{3})))
	b.Output("out", b.Clip(z, -1, 1), graph.Float32)
	return b.Model(nil)
}

// subjects are the graphs to be mutated: our own, and the zoo of the acceptance data where it is.
func subjects(tb testing.TB) []*onnx.ModelProto {
	list := []*onnx.ModelProto{menagerie()}
	paths, _ := filepath.Glob(filepath.Join(graphtest.AcceptanceRoot(), "zoo", "*.onnx"))
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		m, err := graph.Parse(data)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// mutate damages a graph in one place.
func mutate(r *rand.Rand, g *onnx.GraphProto) {
	n := g.Node[r.IntN(len(g.Node))]
	number := func() int64 {
		return []int64{-1 << 63, -1 << 31, -7, -2, -1, 0, 1, 2, 3, 5, 64, 1000, 1 << 20, 1 << 31, 1 << 40, 1<<63 - 1}[r.IntN(16)]
	}
	switch r.IntN(8) {
	case 0:
		if len(n.Attribute) > 0 {
			a := n.Attribute[r.IntN(len(n.Attribute))]
			if len(a.Ints) > 0 {
				a.Ints[r.IntN(len(a.Ints))] = number()
			} else if a.I != nil {
				a.I = proto.Int64(number())
			}
		}
	case 1:
		if len(n.Attribute) > 0 {
			i := r.IntN(len(n.Attribute))
			n.Attribute = slices.Delete(n.Attribute, i, i+1)
		}
	case 2: // read another value
		if other := g.Node[r.IntN(len(g.Node))]; len(n.Input) > 0 && len(other.Output) > 0 {
			n.Input[r.IntN(len(n.Input))] = other.Output[0]
		}
	case 3:
		if len(n.Input) > 0 {
			n.Input[r.IntN(len(n.Input))] = ""
		}
	case 4:
		n.OpType = proto.String(g.Node[r.IntN(len(g.Node))].GetOpType())
	case 5: // another shape, or other numbers, of a constant
		if len(g.Initializer) > 0 {
			t := g.Initializer[r.IntN(len(g.Initializer))]
			if len(t.Dims) > 0 && r.IntN(2) == 0 {
				t.Dims[r.IntN(len(t.Dims))] = number()
			} else if t.GetDataType() == int32(int64Type) && len(t.RawData) >= 8 {
				damaged := (&Tensor{Type: int64Type, Dims: []int64{1}, I: []int64{number()}}).Proto("")
				copy(t.RawData[8*r.IntN(len(t.RawData)/8):], damaged.RawData)
			}
		}
	case 6:
		if len(n.Input) > 0 {
			n.Input = n.Input[:len(n.Input)-1]
		}
	case 7:
		i, j := r.IntN(len(g.Node)), r.IntN(len(g.Node))
		g.Node[i], g.Node[j] = g.Node[j], g.Node[i]
	}
}

// FuzzGraphs damages graphs: whatever comes out must be computed or refused, soon, and alike by Infer and Run.
func FuzzGraphs(f *testing.F) {
	list := subjects(f)
	for i := range list {
		for seed := range uint64(16) {
			f.Add(uint8(i), seed, uint8(seed%4))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, seed uint64, count uint8) {
		m := proto.CloneOf(list[int(which)%len(list)])
		r := rand.New(rand.NewPCG(seed, uint64(count)))
		for range count % 8 {
			mutate(r, m.GetGraph())
		}
		in := m.GetGraph().GetInput()[0]
		dims, _ := graph.Dims(in)
		dims[0] = 2
		start := time.Now()
		facts, inferErr := Infer(m, map[string][]int64{in.GetName(): dims})
		x := Floats(make([]float64, product(dims)), dims...)
		got, err := runWithin(m, map[string]*Tensor{in.GetName(): x}, nil, machine{largest: 1 << 22, effort: 1 << 28})
		if spent := time.Since(start); spent > 10*time.Second {
			t.Errorf("it took %v", spent)
		}
		if count%8 == 0 && (err != nil || inferErr != nil) {
			t.Errorf("the graph itself fails: %v, %v", err, inferErr)
		}
		if err != nil || inferErr != nil {
			return
		}
		for name, v := range got {
			if d, ok := facts.Dims(name); ok && (!slices.Equal(d, v.Dims) || facts.Type(name) != v.Type) {
				t.Errorf("inferred for %s is %v %v, its value has %v %v", name, facts.Type(name), d, v.Type, v.Dims)
			}
		}
	})
}
