//go:build cgo

package eval_test

import (
	"slices"
	"testing"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// geometry draws the attributes of a sliding kernel, many of them odd, for an input of the given size.
func (r maker) geometry(size, kernel []int64, dilate bool) attrs {
	rank := len(size)
	strides, dilations, pads := make([]int64, rank), make([]int64, rank), make([]int64, 2*rank)
	for i := range rank {
		strides[i], dilations[i] = r.between(1, 3), 1
		if dilate {
			dilations[i] = r.between(1, 2)
		}
		pads[i], pads[rank+i] = r.between(0, kernel[i]-1), r.between(0, kernel[i]-1)
		if reach := (kernel[i]-1)*dilations[i] + 1; size[i] < reach {
			dilations[i] = 1
		}
		strides[i] = min(strides[i], kernel[i]+1)
	}
	list := attrs{graph.IntsAttr("strides", strides...)}
	if slices.Max(dilations) > 1 {
		list = append(list, graph.IntsAttr("dilations", dilations...))
	}
	switch r.IntN(5) {
	case 0:
		list = append(list, graph.StringAttr("auto_pad", "VALID"))
	case 1:
		if slices.Max(dilations) == 1 && slices.Max(strides) <= slices.Min(kernel) { // what the runtime takes
			list = append(list, graph.StringAttr("auto_pad", []string{"SAME_UPPER", "SAME_LOWER"}[r.IntN(2)]))
			break
		}
		fallthrough
	default:
		list = append(list, graph.IntsAttr("pads", pads...))
	}
	return list
}

// sizes draws n sizes of [lo, hi].
func (r maker) sizes(n int, lo, hi int64) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = r.between(lo, hi)
	}
	return s
}

func TestConv(t *testing.T) {
	r := newMaker(4)
	var cases []single
	for range 120 {
		rank := int(r.pick(1, 2, 2, 2, 3))
		size, kernel := r.sizes(rank, 5, 11), r.sizes(rank, 1, 4)
		group := r.pick(1, 1, 2, 3)
		in, out := group*r.between(1, 2), group*r.between(1, 3)
		c := single{op: "Conv", opset: 13, attrs: append(r.geometry(size, kernel, true), graph.IntAttr("group", group))}
		c.in = tensors{r.normal(append([]int64{2, in}, size...)...), r.normal(append([]int64{out, in / group}, kernel...)...)}
		if r.IntN(2) == 0 {
			c.in = append(c.in, r.normal(out))
			c.attrs = append(c.attrs, graph.IntsAttr("kernel_shape", kernel...))
		}
		cases = append(cases, c)
	}
	check(t, cases)
}

func TestConvTranspose(t *testing.T) {
	r := newMaker(5)
	var cases []single
	for range 120 {
		rank := int(r.pick(1, 2, 2, 2, 3))
		size, kernel := r.sizes(rank, 3, 6), r.sizes(rank, 1, 4)
		group := r.pick(1, 1, 2)
		in, out := group*r.between(1, 2), r.between(1, 2)
		strides, pads, extra, shape := r.sizes(rank, 1, 3), make([]int64, 2*rank), make([]int64, rank), make([]int64, rank)
		for i := range rank {
			pads[i], pads[rank+i] = r.between(0, (kernel[i]-1)/2), r.between(0, (kernel[i]-1)/2)
			extra[i] = r.between(0, strides[i]-1)
			shape[i] = (size[i]-1)*strides[i] + r.between(1, kernel[i])
		}
		c := single{op: "ConvTranspose", opset: 11, attrs: attrs{graph.IntAttr("group", group), graph.IntsAttr("strides", strides...)}}
		switch r.IntN(6) {
		case 0:
			c.attrs = append(c.attrs, graph.StringAttr("auto_pad", "VALID"))
		case 1:
			c.attrs = append(c.attrs, graph.StringAttr("auto_pad", []string{"SAME_UPPER", "SAME_LOWER"}[r.IntN(2)]))
		case 2:
			c.attrs = append(c.attrs, graph.IntsAttr("output_shape", shape...))
		default:
			dilations := r.sizes(rank, 1, 2)
			c.attrs = append(c.attrs, graph.IntsAttr("pads", pads...), graph.IntsAttr("output_padding", extra...), graph.IntsAttr("dilations", dilations...))
		}
		c.in = tensors{r.normal(append([]int64{2, in}, size...)...), r.normal(append([]int64{in, out}, kernel...)...)}
		if r.IntN(2) == 0 {
			c.in = append(c.in, r.normal(out*group))
		}
		cases = append(cases, c)
	}
	check(t, cases)
}

func TestPools(t *testing.T) {
	r := newMaker(6)
	var cases []single
	for i := range 400 {
		rank := int(r.pick(1, 2, 2, 2, 3))
		size, kernel := r.sizes(rank, 4, 11), r.sizes(rank, 1, 4)
		x := r.normal(append([]int64{2, 2}, size...)...)
		c := single{op: []string{"MaxPool", "AveragePool", "AveragePool", "LpPool"}[i%4], opset: r.pick(11, 13, 19, 22), in: tensors{x}}
		dilate := c.op == "MaxPool" || c.op == "AveragePool" && c.opset >= 19 || c.op == "LpPool" && c.opset >= 18
		c.attrs = append(r.geometry(size, kernel, dilate), graph.IntsAttr("kernel_shape", kernel...))
		if c.op == "AveragePool" {
			c.attrs = append(c.attrs, graph.IntAttr("count_include_pad", r.pick(0, 1)))
		}
		if c.op != "LpPool" || c.opset >= 18 {
			c.attrs = append(c.attrs, graph.IntAttr("ceil_mode", r.pick(0, 1)))
		}
		if c.op == "LpPool" {
			c.attrs = append(c.attrs, graph.IntAttr("p", r.pick(1, 2, 3)))
		}
		if c.op == "MaxPool" {
			c.outputs = int(r.pick(1, 2))
		}
		cases = append(cases, c)
	}
	equals := eval.Floats([]float64{2, 2, 1, 2, 1, 1, 2, 2, 2, 2, 1, 2}, 1, 1, 3, 4) // of equals the first has the index
	cases = append(cases, single{op: "MaxPool", opset: 13, in: tensors{equals}, attrs: attrs{graph.IntsAttr("kernel_shape", 2, 2)}, outputs: 2})
	for _, op := range []string{"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"} {
		cases = append(cases, single{op: op, opset: 13, in: tensors{r.normal(2, 3, 5, 7)}}, single{op: op, opset: 13, in: tensors{r.normal(2, 3, 5)}})
	}
	check(t, cases)
}

func TestNormalizations(t *testing.T) {
	r := newMaker(7)
	var cases []single
	epsilon := graph.FloatAttr("epsilon", 1e-3)
	for _, dims := range [][]int64{{2, 4, 5, 3}, {3, 4, 7}, {2, 4, 3, 3, 2}} {
		for _, opset := range []int64{11, 13, 14, 15, 21} {
			cases = append(cases, single{op: "BatchNormalization", opset: opset, attrs: attrs{epsilon, graph.FloatAttr("momentum", .5)},
				in: tensors{r.normal(dims...), r.normal(4), r.normal(4), r.normal(4), r.positive(4)}})
		}
		cases = append(cases,
			single{op: "InstanceNormalization", opset: 13, in: tensors{r.normal(dims...), r.normal(4), r.normal(4)}, attrs: attrs{epsilon}},
			single{op: "GroupNormalization", opset: 18, in: tensors{r.normal(dims...), r.normal(2), r.normal(2)}, attrs: attrs{graph.IntAttr("num_groups", 2), epsilon}},
			single{op: "GroupNormalization", opset: 21, in: tensors{r.normal(dims...), r.normal(4), r.normal(4)}, attrs: attrs{graph.IntAttr("num_groups", 2)}},
			single{op: "GroupNormalization", opset: 21, in: tensors{r.normal(dims...), r.normal(4), r.normal(4)}, attrs: attrs{graph.IntAttr("num_groups", 4)}},
			single{op: "LpNormalization", opset: 13, in: tensors{r.normal(dims...)}, attrs: attrs{graph.IntAttr("axis", 1), graph.IntAttr("p", 1)}},
			single{op: "LpNormalization", opset: 13, in: tensors{r.normal(dims...)}},
			single{op: "LayerNormalization", opset: 17, in: tensors{r.normal(dims...), r.normal(dims[len(dims)-1])}},
			single{op: "LayerNormalization", opset: 17, in: tensors{r.normal(dims...), r.normal(dims[1:]...), r.normal(dims[1:]...)}, attrs: attrs{graph.IntAttr("axis", 1), epsilon}, outputs: 3},
			single{op: "LayerNormalization", opset: 17, in: tensors{r.normal(dims...), r.normal(dims[len(dims)-2:]...), r.normal(dims[len(dims)-2:]...)}, attrs: attrs{graph.IntAttr("axis", -2)}})
		for _, op := range []string{"Softmax", "LogSoftmax"} {
			for _, opset := range []int64{11, 12, 13, 17} {
				for axis := -int64(len(dims)); axis < int64(len(dims)); axis++ {
					cases = append(cases, single{op: op, opset: opset, in: tensors{r.scaled(4, 0, dims...)}, attrs: attrs{graph.IntAttr("axis", axis)}})
				}
				cases = append(cases, single{op: op, opset: opset, in: tensors{r.scaled(4, 0, dims...)}})
			}
		}
	}
	for _, size := range []int64{1, 3, 5} {
		cases = append(cases, single{op: "LRN", opset: 13, in: tensors{r.normal(2, 6, 3, 3)}, attrs: attrs{graph.IntAttr("size", size), graph.FloatAttr("alpha", .3), graph.FloatAttr("bias", 2)}})
	}
	check(t, cases)
}

func TestProducts(t *testing.T) {
	r := newMaker(8)
	var cases []single
	for _, p := range [][2][]int64{{{3, 4}, {4, 5}}, {{4}, {4}}, {{4}, {4, 5}}, {{3, 4}, {4}}, {{2, 3, 4}, {4, 5}}, {{2, 1, 3, 4}, {5, 4, 2}}, {{4}, {2, 4, 3}}, {{2, 3, 4}, {4}},
		{{1, 3, 4}, {6, 4, 2}}, {{2, 3, 1, 4}, {2, 3, 4, 1}}} {
		cases = append(cases, single{op: "MatMul", opset: 13, in: tensors{r.normal(p[0]...), r.normal(p[1]...)}})
	}
	for _, bias := range [][]int64{nil, {}, {5}, {1, 5}, {3, 1}, {3, 5}, {1}} {
		for turn := range int64(4) {
			a, b := []int64{3, 4}, []int64{4, 5}
			if turn&1 != 0 {
				slices.Reverse(a)
			}
			if turn&2 != 0 {
				slices.Reverse(b)
			}
			c := single{op: "Gemm", opset: 11, in: tensors{r.normal(a...), r.normal(b...)}, attrs: attrs{graph.IntAttr("transA", turn&1), graph.IntAttr("transB", turn>>1),
				graph.FloatAttr("alpha", .5), graph.FloatAttr("beta", 1.5)}}
			if bias != nil {
				c.in = append(c.in, r.normal(bias...))
			}
			cases = append(cases, c)
		}
	}
	for _, e := range []struct {
		equation string
		shapes   [][]int64
	}{
		{"ij,jk->ik", [][]int64{{3, 4}, {4, 5}}}, {"bhid,bhjd->bhij", [][]int64{{2, 3, 4, 5}, {2, 3, 6, 5}}}, {"bij,bjk", [][]int64{{2, 3, 4}, {2, 4, 5}}},
		{"ii->i", [][]int64{{4, 4}}}, {"ii", [][]int64{{4, 4}}}, {"ij->ji", [][]int64{{3, 4}}}, {"...ij,...jk->...ik", [][]int64{{2, 3, 4}, {2, 4, 5}}},
		{"...ij,jk->...ik", [][]int64{{2, 2, 3, 4}, {4, 5}}}, {"i,j->ij", [][]int64{{3}, {4}}}, {"ij->", [][]int64{{3, 4}}}, {"bi,bj,bk->ijk", [][]int64{{2, 3}, {2, 4}, {2, 5}}},
		{"b i d, b j d -> b i j", [][]int64{{2, 3, 4}, {2, 5, 4}}}, {"ij,ij->i", [][]int64{{3, 4}, {3, 4}}}, {"ba", [][]int64{{3, 4}}},
	} {
		c := single{op: "Einsum", opset: 12, attrs: attrs{graph.StringAttr("equation", e.equation)}}
		for _, s := range e.shapes {
			c.in = append(c.in, r.normal(s...))
		}
		cases = append(cases, c)
	}
	check(t, cases)
}

func TestQuantization(t *testing.T) {
	r := newMaker(9)
	var cases []single
	for _, kind := range []onnx.TensorProto_DataType{onnx.TensorProto_UINT8, onnx.TensorProto_INT8} {
		x, q := r.scaled(40, 0, 2, 3, 4), r.integers(kind, 0, 100, 2, 3, 4)
		scalarZero := r.integers(kind, 0, 100)
		cases = append(cases,
			single{op: "QuantizeLinear", opset: 13, in: tensors{x, scalar(.5), scalarZero}},
			single{op: "QuantizeLinear", opset: 13, in: tensors{x, r.positive(3), r.integers(kind, 0, 100, 3)}},
			single{op: "QuantizeLinear", opset: 13, in: tensors{x, r.positive(4), r.integers(kind, 0, 9, 4)}, attrs: attrs{graph.IntAttr("axis", -1)}},
			single{op: "DequantizeLinear", opset: 13, in: tensors{q, scalar(.5), scalarZero}},
			single{op: "DequantizeLinear", opset: 13, in: tensors{q, r.positive(3), r.integers(kind, 0, 100, 3)}},
			single{op: "DequantizeLinear", opset: 21, in: tensors{q, r.positive(2)}, attrs: attrs{graph.IntAttr("axis", 0)}})
	}
	cases = append(cases, single{op: "QuantizeLinear", opset: 13, in: tensors{r.scaled(40, 0, 9), scalar(.25)}},
		single{op: "DequantizeLinear", opset: 13, in: tensors{r.integers(onnx.TensorProto_INT32, -999, 999, 3, 4), scalar(.01)}})
	check(t, cases)
}
