//go:build cgo

package main

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Logistic is a fitted logistic regression: the logit of a sample f is Bias + sum of Weights[i]*f[i].
type Logistic struct {
	Weights []float64
	Bias    float64
}

// Logit returns log(p/(1-p)).
func (l Logistic) Logit(features []float64) float64 {
	z := l.Bias
	for i, w := range l.Weights {
		z += w * features[i]
	}
	return z
}

// Sigmoid turns a logit into a probability.
func Sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

// FitLogistic minimises the cross-entropy between the model and the targets, summed over the samples, plus
// ridge/2 * |w|^2, where w are the weights of the features scaled to mean 0 and variance 1. Targets lie in [0,1]; the bias
// is not penalised. Newton's method (iteratively reweighted least squares; Hastie, Tibshirani, Friedman, "The elements of
// statistical learning", 4.4.1), halving steps that do not descend, so that the result has no chance in it.
func FitLogistic(samples [][]float64, targets []float64, ridge float64) (Logistic, error) {
	if len(samples) == 0 || len(samples) != len(targets) {
		return Logistic{}, fmt.Errorf("fitting: %d samples and %d targets", len(samples), len(targets))
	}
	mean, scale := standardise(samples)
	d := len(mean)
	x := mat.NewDense(len(samples), d+1, nil)
	for i, s := range samples {
		for j := range d {
			x.Set(i, j, (s[j]-mean[j])/scale[j])
		}
		x.Set(i, d, 1)
	}
	w := mat.NewVecDense(d+1, nil)
	loss := crossEntropy(x, w, targets, ridge)
	for range 100 {
		step, err := newtonStep(x, w, targets, ridge)
		if err != nil {
			return Logistic{}, err
		}
		next, nextLoss := descend(x, w, step, targets, ridge, loss)
		gained := loss - nextLoss
		w, loss = next, nextLoss
		if gained < 1e-10*(1+loss) {
			return unscaled(w, mean, scale), nil
		}
	}
	return Logistic{}, fmt.Errorf("fitting: Newton's method has not converged in 100 steps; raise ridge above %g", ridge)
}

// standardise returns the mean and the standard deviation of every feature; 1 for a constant one.
func standardise(samples [][]float64) (mean, scale []float64) {
	d := len(samples[0])
	mean, scale = make([]float64, d), make([]float64, d)
	for j := range d {
		for _, s := range samples {
			mean[j] += s[j] / float64(len(samples))
		}
		for _, s := range samples {
			scale[j] += (s[j] - mean[j]) * (s[j] - mean[j]) / float64(len(samples))
		}
		if scale[j] = math.Sqrt(scale[j]); scale[j] == 0 {
			scale[j] = 1
		}
	}
	return mean, scale
}

func crossEntropy(x *mat.Dense, w *mat.VecDense, targets []float64, ridge float64) float64 {
	var z mat.VecDense
	z.MulVec(x, w)
	loss := 0.0
	for i, t := range targets {
		v := z.AtVec(i)
		loss += max(v, 0) - v*t + math.Log1p(math.Exp(-math.Abs(v))) // the form that can't overflow
	}
	for j := range w.Len() - 1 {
		loss += ridge / 2 * w.AtVec(j) * w.AtVec(j)
	}
	return loss
}

// newtonStep solves (X'WX + ridge) step = X'(t - p) - ridge w.
func newtonStep(x *mat.Dense, w *mat.VecDense, targets []float64, ridge float64) (*mat.VecDense, error) {
	n, d := x.Dims()
	var z mat.VecDense
	z.MulVec(x, w)
	gradient, hessian := mat.NewVecDense(d, nil), mat.NewSymDense(d, nil)
	for i := range n {
		p := Sigmoid(z.AtVec(i))
		row := mat.NewVecDense(d, x.RawRowView(i))
		gradient.AddScaledVec(gradient, targets[i]-p, row)
		hessian.SymRankOne(hessian, p*(1-p), row)
	}
	for j := range d - 1 {
		gradient.SetVec(j, gradient.AtVec(j)-ridge*w.AtVec(j))
		hessian.SetSym(j, j, hessian.At(j, j)+ridge)
	}
	var factor mat.Cholesky
	if !factor.Factorize(hessian) {
		return nil, fmt.Errorf("fitting: the features are linearly dependent; raise ridge above %g", ridge)
	}
	step := mat.NewVecDense(d, nil)
	if err := factor.SolveVecTo(step, gradient); err != nil {
		return nil, fmt.Errorf("fitting: solving for a step: %w", err)
	}
	return step, nil
}

// descend goes along step, halving it until the loss does not rise.
func descend(x *mat.Dense, w, step *mat.VecDense, targets []float64, ridge, loss float64) (*mat.VecDense, float64) {
	for share := 1.0; share > 1e-6; share /= 2 {
		next := mat.NewVecDense(w.Len(), nil)
		next.AddScaledVec(w, share, step)
		if l := crossEntropy(x, next, targets, ridge); l <= loss {
			return next, l
		}
	}
	return w, loss
}

// unscaled folds mean and scale of the features into the weights.
func unscaled(w *mat.VecDense, mean, scale []float64) Logistic {
	l := Logistic{Weights: make([]float64, len(mean)), Bias: w.AtVec(len(mean))}
	for j := range mean {
		l.Weights[j] = w.AtVec(j) / scale[j]
		l.Bias -= l.Weights[j] * mean[j]
	}
	return l
}
