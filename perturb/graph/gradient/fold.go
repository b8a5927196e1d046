package gradient

import (
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph"
	"shaketable/perturb/graph/eval"
	"shaketable/perturb/graph/onnx"
)

// usage is what folding must know about a graph: its constants, and how often each value is used.
type usage struct {
	constants map[string]*onnx.TensorProto
	users     map[string]int
	makers    map[string]*onnx.NodeProto
	bodies    bool // bodies use values, too
}

func usageOf(g *onnx.GraphProto) *usage {
	u := &usage{map[string]*onnx.TensorProto{}, map[string]int{}, map[string]*onnx.NodeProto{}, false}
	for _, t := range g.GetInitializer() {
		u.constants[t.GetName()] = t
	}
	for _, o := range g.GetOutput() {
		u.users[o.GetName()]++
	}
	for _, n := range g.GetNode() {
		for _, in := range n.GetInput() {
			u.users[in]++
		}
		for _, a := range n.GetAttribute() {
			u.bodies = u.bodies || a.GetG() != nil
		}
		if standard(n) && len(n.GetOutput()) > 0 {
			u.makers[n.Output[0]] = n
		}
	}
	return u
}

// floats reads a constant; nil if the value is none.
func (u *usage) floats(name string) []float64 {
	if t := u.constants[name]; t != nil {
		if v, err := eval.FromProto(t); err == nil {
			return v.F
		}
	}
	return nil
}

// foldFactors joins a product with a number and the product with a constant behind it: pixels are brought to bytes and from
// there to the detector's scale, and a derivative needs only the factor of both. A factor of 1 goes.
func foldFactors(g *onnx.GraphProto) {
	u := usageOf(g)
	for _, n := range g.GetNode() {
		if !standard(n) || n.GetOpType() != "Mul" {
			continue
		}
		before := u.makers[n.Input[0]]
		if before == nil || before.GetOpType() != "Mul" || u.users[n.Input[0]] != 1 || u.bodies {
			continue
		}
		first, second := u.floats(before.Input[1]), u.floats(n.Input[1])
		if len(first) != 1 || len(u.constants[before.Input[1]].GetDims()) > 0 || second == nil {
			continue
		}
		product := make([]float32, len(second))
		for i, v := range second {
			product[i] = float32(v * first[0])
		}
		factor := graph.FloatTensor(n.Output[0]+"/factor", product, u.constants[n.Input[1]].GetDims()...)
		g.Initializer = append(g.Initializer, factor)
		u.constants[factor.GetName()] = factor
		n.Input = []string{before.Input[0], factor.GetName()}
		if len(product) == 1 && product[0] == 1 && len(factor.GetDims()) == 0 {
			n.OpType, n.Input = proto.String("Identity"), n.Input[:1]
		}
	}
}

// foldNormalization multiplies the constants of BatchNormalization into the convolution before it, if nothing else uses that:
// W' = W*k, b' = (b - mean)*k + beta, k = gamma/sqrt(var + eps). Runtimes do the same, but not in the reverse direction.
func foldNormalization(g *onnx.GraphProto) {
	u := usageOf(g)
	if u.bodies {
		return
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *onnx.NodeProto) bool {
		if !standard(n) || n.GetOpType() != "BatchNormalization" || u.users[n.Input[0]] != 1 {
			return false
		}
		conv := u.makers[n.Input[0]]
		return conv != nil && conv.GetOpType() == "Conv" && foldInto(g, conv, n, u)
	})
}

// foldInto changes a Conv into one that does what the BatchNormalization behind it does.
func foldInto(g *onnx.GraphProto, conv, norm *onnx.NodeProto, u *usage) bool {
	w, gamma, beta := u.floats(conv.Input[1]), u.floats(norm.Input[1]), u.floats(norm.Input[2])
	mean, variance := u.floats(norm.Input[3]), u.floats(norm.Input[4])
	bias := make([]float64, len(gamma))
	if name := inputName(conv, 2); name != "" {
		bias = u.floats(name)
	}
	if len(w) == 0 || len(gamma) == 0 || len(bias) != len(gamma) || len(beta) != len(gamma) || len(mean) != len(gamma) || len(variance) != len(gamma) {
		return false
	}
	eps := (&node{NodeProto: norm}).floatAttr("epsilon", 1e-5)
	taps := len(w) / len(gamma)
	scaled, shifted := make([]float32, len(w)), make([]float32, len(gamma))
	for c := range gamma {
		k := gamma[c] / math.Sqrt(variance[c]+eps)
		shifted[c] = float32((bias[c]-mean[c])*k + beta[c])
		for i := c * taps; i < (c+1)*taps; i++ {
			scaled[i] = float32(w[i] * k)
		}
	}
	out := norm.Output[0]
	g.Initializer = append(g.Initializer, graph.FloatTensor(out+"/weights", scaled, u.constants[conv.Input[1]].GetDims()...),
		graph.FloatTensor(out+"/bias", shifted, int64(len(shifted))))
	conv.Input = []string{conv.Input[0], out + "/weights", out + "/bias"}
	conv.Output[0] = out
	return true
}
