//go:build cgo

package perturb_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"shaketable/perturb"
	"shaketable/perturb/graph/graphtest"
)

// TestPickedRows: picked rows are, bit for bit, those of the model that scores everything, each media with its own picks.
func TestPickedRows(t *testing.T) {
	model, err := os.ReadFile(graphtest.Acceptance(t, "models", "meso4-df.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	const n, size = 3, 256 * 256 * 3
	pictures, seeds := append(texture(256, 256, 1), append(texture(256, 256, 2), texture(256, 256, 3)...)...), []int64{11, 12, 13}
	for _, c := range []struct {
		name  string
		chunk int
	}{{"production", 1}, {"production", 2}, {"deepfake-v1", 1}} {
		t.Run(fmt.Sprintf("%s, chunk %d", c.name, c.chunk), func(t *testing.T) {
			s := suite(t, c.name)
			const per = 4
			all := compileMeso(t, model, s, perturb.Options{Chunk: c.chunk})
			picked := compileMeso(t, model, s, perturb.Options{Chunk: c.chunk, Picks: per})
			if picked.Picks != per || all.Picks != 0 {
				t.Fatalf("picks are %d and %d", picked.Picks, all.Picks)
			}
			whole, _ := run[float32](t, newRunner(t, all.Model, []string{"image", "seed"}, []string{"p"}),
				ort.Value(tensor(t, pictures, n, 256, 256, 3)), tensor(t, seeds, n))
			pick := make([]int64, per*n)
			for i, seed := range seeds {
				for j, v := range perturb.Picks(s, per, seed) {
					pick[j*n+i] = int64(v)
				}
			}
			p, shape := run[float32](t, newRunner(t, picked.Model, []string{"image", "seed", "pick"}, []string{"p"}),
				ort.Value(tensor(t, pictures, n, 256, 256, 3)), tensor(t, seeds, n), tensor(t, pick, per, n))
			if !slices.Equal(shape, []int64{1 + per, n}) {
				t.Fatalf("shape of p is %v", shape)
			}
			for i := range n {
				if p[i] != whole[i] {
					t.Errorf("clean picture %d: %v, want %v", i, p[i], whole[i])
				}
				for j := range per {
					if v := pick[j*n+i]; p[(1+j)*n+i] != whole[int(v)*n+i] {
						t.Errorf("%v of picture %d: %v, want %v", picked.Variants[v], i, p[(1+j)*n+i], whole[int(v)*n+i])
					}
				}
			}
		})
	}
}

// TestPicksWithoutChance: a suite without a seed has picks too, at every opset and with an open chunk.
func TestPicksWithoutChance(t *testing.T) {
	s := own(t, "gain@1", "gain@2", "gain@3", "jpeg@1")
	out := perturb.Output{Name: "score", Kind: "logits", Index: 1, Meaning: "fake"}
	pictures := append(texture(32, 48, 1), texture(32, 48, 2)...)
	for _, opset := range []int64{11, 13, 18, 25} {
		for _, chunk := range []int{0, 1, 4} {
			d := newToy(opset)
			whole, err := perturb.Compile(d.model(t), d.input(), out, s, perturb.Options{Chunk: chunk})
			if err != nil {
				t.Fatal(err)
			}
			f, err := perturb.Compile(d.model(t), d.input(), out, s, perturb.Options{Chunk: chunk, Picks: 2})
			if err != nil {
				t.Fatal(err)
			}
			want, _ := run[float32](t, newRunner(t, whole.Model, []string{"image"}, []string{"p"}), ort.Value(tensor(t, pictures, 2, 32, 48, 3)))
			got, _ := run[float32](t, newRunner(t, f.Model, []string{"image", "pick"}, []string{"p"}),
				ort.Value(tensor(t, pictures, 2, 32, 48, 3)), tensor(t, []int64{1, 4, 3, 2}, 2, 2))
			for i, row := range []int{0, 0, 1, 4, 3, 2} {
				if expect := want[row*2+i%2]; got[i] != expect {
					t.Errorf("opset %d, chunk %d, element %d: %v, want %v", opset, chunk, i, got[i], expect)
				}
			}
		}
	}
	d := newToy(17)
	for picks, want := range map[int]int{0: 0, 3: 3, 4: 0, 9: 0} { // as many as there are: all, without the detour
		if f, err := perturb.Compile(d.model(t), d.input(), out, s, perturb.Options{Picks: picks}); err != nil || f.Picks != want {
			t.Errorf("%d picks of 4: %+v, %v", picks, f, err)
		}
	}
}

func compileMeso(t testing.TB, model []byte, s perturb.Suite, opt perturb.Options) *perturb.Fused {
	t.Helper()
	f, err := perturb.Compile(model, mesoInput(), mesoOutput(), s, opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
