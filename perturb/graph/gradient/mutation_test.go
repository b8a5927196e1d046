//go:build cgo

package gradient_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	"shaketable/perturb/graph/gradient"
	"shaketable/perturb/graph/onnx"
)

// TestMutatedNetworks: networks with a random fault get a gradient or an error, never a panic. SHAKETABLE_MUTATIONS sets how
// many are tried.
func TestMutatedNetworks(t *testing.T) {
	tries := 120
	if v, err := strconv.Atoi(os.Getenv("SHAKETABLE_MUTATIONS")); err == nil {
		tries = v
	}
	var models []*onnx.ModelProto
	for _, file := range zooNetworks(t) {
		models = append(models, loadNetwork(t, file).model)
	}
	errors := 0
	for seed := range uint64(tries) {
		rng := rand.New(rand.NewPCG(seed, 4))
		m := proto.CloneOf(models[rng.IntN(len(models))])
		what := mutate(m, rng)
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("seed %d, %s: panic: %v", seed, what, r)
				}
			}()
			if _, err := gradient.Append(m, "image", "margin", "gradient"); err != nil {
				errors++
			}
		}()
	}
	t.Logf("%d of %d had an error", errors, tries)
	if errors == 0 || errors == tries {
		t.Error("the faults are too harmless, or too harmful, to say anything")
	}
}

// mutate makes one random change to a random node and says which.
func mutate(m *onnx.ModelProto, rng *rand.Rand) string {
	g := m.GetGraph()
	n := g.Node[rng.IntN(len(g.Node))]
	what := fmt.Sprintf("%s (%s)", n.GetOpType(), n.GetName())
	switch rng.IntN(6) {
	case 0:
		if len(n.Input) > 0 {
			n.Input = n.Input[:len(n.Input)-1]
		}
		return what + ": last input dropped"
	case 1:
		other := g.Node[rng.IntN(len(g.Node))]
		n.OpType = other.OpType
		return what + ": operator " + other.GetOpType()
	case 2:
		if len(n.Attribute) == 0 {
			return what
		}
		a := n.Attribute[rng.IntN(len(n.Attribute))]
		for i := range a.Ints {
			a.Ints[i] = rng.Int64N(7) - 2
		}
		if a.I != nil {
			a.I = proto.Int64(rng.Int64N(9) - 4)
		}
		return what + ": attribute " + a.GetName()
	case 3:
		if len(n.Attribute) > 0 {
			i := rng.IntN(len(n.Attribute))
			n.Attribute = append(n.Attribute[:i:i], n.Attribute[i+1:]...)
		}
		return what + ": an attribute dropped"
	case 4:
		t := g.Initializer[rng.IntN(len(g.Initializer))]
		if len(t.Dims) > 0 {
			t.Dims[rng.IntN(len(t.Dims))] += rng.Int64N(3) - 1
		}
		return what + ": dims of " + t.GetName()
	}
	if len(n.Input) > 0 {
		n.Input[rng.IntN(len(n.Input))] = g.Node[rng.IntN(len(g.Node))].Output[0]
	}
	return what + ": another input"
}
