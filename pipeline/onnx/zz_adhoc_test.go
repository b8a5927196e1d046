//go:build cgo && acceptance

package onnx

import (
	"strconv"
	"testing"
)

func ff(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }

func TestAdhoc(t *testing.T) {
	for _, name := range []string{"meso4-f2f", "mesoinception4-f2f"} {
		a := openAttacks(t, runtimeFor(t, Config{}), realDetector(t, name), "cw(eps=3,rate=.003,forms=float),cw(eps=3,rate=.001,forms=float),cw(eps=3,rate=.0003,forms=float),cw(eps=3,rate=.001,searches=4,forms=float),cw(eps=3,rate=.0003,searches=4,forms=float),cw(eps=3,rate=.003,searches=4,forms=float),cw(eps=3,rate=.003,c=.1,forms=float),cw(target=delta, eps=.25, searches=3,forms=float), pgd(norm=l2, eps=.1,forms=float)")
		res := attackAll(t, a, faces(t, 20))
		for i, v := range a.Variants() {
			s := ""
			for _, r := range res {
				o := r.Outcomes[i]
				s += " " + ff(r.Clean) + ">" + ff(o.P) + "(" + ff(o.L2) + ")"
			}
			t.Logf("%-14s %-42s q%d %s", v.Family, v.Parameter, res[0].Outcomes[i].Queries, s)
		}
	}
}
