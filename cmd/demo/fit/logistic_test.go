//go:build cgo

package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// One binary feature has a closed form: the logit of each cell is that of its share.
func TestFitLogisticClosedForm(t *testing.T) {
	var x [][]float64
	var y []float64
	for _, cell := range []struct{ value, ones, zeros float64 }{{0, 30, 70}, {1, 80, 20}} {
		for range int(cell.ones) {
			x, y = append(x, []float64{cell.value}), append(y, 1)
		}
		for range int(cell.zeros) {
			x, y = append(x, []float64{cell.value}), append(y, 0)
		}
	}
	l, err := FitLogistic(x, y, 1e-9)
	if err != nil {
		t.Fatal(err)
	}
	bias := math.Log(.3 / .7)
	if want := math.Log(.8/.2) - bias; math.Abs(l.Bias-bias) > 1e-6 || math.Abs(l.Weights[0]-want) > 1e-6 {
		t.Errorf("weight %g and bias %g, want %g and %g", l.Weights[0], l.Bias, want, bias)
	}
}

func TestFitLogisticRecoversWeights(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	truth := Logistic{Weights: []float64{1.5, -2, 0}, Bias: .5}
	var x [][]float64
	var y []float64
	for range 20000 {
		f := []float64{3 + r.NormFloat64(), 10 * r.NormFloat64() / 10, 100 * r.Float64()}
		z, target := truth.Logit(f)-4, 0.0
		if r.Float64() < Sigmoid(z) {
			target = 1
		}
		x, y = append(x, f), append(y, target)
	}
	l, err := FitLogistic(x, y, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range truth.Weights {
		if math.Abs(l.Weights[i]-want) > .1 {
			t.Errorf("weight %d is %.3f, want %.3f", i, l.Weights[i], want)
		}
	}
}

func TestFitLogisticFaults(t *testing.T) {
	if _, err := FitLogistic(nil, nil, 1); err == nil {
		t.Error("no samples were fitted")
	}
	same := [][]float64{{1, 1}, {2, 2}, {3, 3}, {0, 0}}
	if _, err := FitLogistic(same, []float64{0, 1, 0, 1}, 0); err == nil {
		t.Error("two equal features were fitted without a penalty")
	}
}
