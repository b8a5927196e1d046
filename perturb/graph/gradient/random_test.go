//go:build cgo

package gradient_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// architect draws small networks at random: blocks of the operators that detectors are made of, each applied to a value
// of known shape [N,C,H,W], with branches that join again.
type architect struct {
	*lab
	c, h, w, n int64
}

func (a *architect) pick(n int) int { return a.rng.IntN(n) }

// layer is a random layer on x; it updates the shape.
func (a *architect) layer(x string) string {
	switch a.pick(11) {
	case 0, 1, 2:
		return a.activation(a.convolution(x))
	case 3:
		return a.norm(x)
	case 4:
		return a.pool(x)
	case 5:
		return a.activation(x)
	case 6: // residual
		c, h, w := a.c, a.h, a.w
		y := a.same(a.activation(a.same(x)))
		a.c, a.h, a.w = c, h, w
		return a.Call("Add", x, y)
	case 7: // squeeze and excite
		s := a.Reduce("ReduceMean", x, 2, 3)
		s = a.Call("Sigmoid", a.Op("Conv", []string{s, a.weights(a.c, a.c, 1, 1)}))
		return a.Call("Mul", x, s)
	case 8: // two branches
		y := a.Concat(1, a.activation(x), a.same(x))
		a.c *= 2
		return y
	case 9: // what is moved about
		return a.move(x)
	default:
		return a.attention(x)
	}
}

func (a *architect) convolution(x string) string {
	k, stride := int64(1+2*a.pick(2)), int64(1+a.pick(2))
	if min(a.h, a.w) <= 4 {
		stride = 1
	}
	out, group := int64(2+2*a.pick(3)), int64(1)
	if a.pick(3) == 0 {
		out, group = a.c, a.c
	}
	pad := int64(a.pick(int(k)/2 + 1))
	y := a.Op("Conv", []string{x, a.weights(out, a.c/group, k, k), a.weights(out)}, ints("strides", stride, stride), ints("pads", pad, pad, pad, pad), integer("group", group))
	a.c, a.h, a.w = out, (a.h+2*pad-k)/stride+1, (a.w+2*pad-k)/stride+1
	return y
}

// same is a convolution that keeps the shape.
func (a *architect) same(x string) string {
	return a.Op("Conv", []string{x, a.Floats(a.numbers(a.c*a.c*9, .3), a.c, a.c, 3, 3)}, ints("pads", 1, 1, 1, 1))
}

func (a *architect) activation(x string) string {
	switch a.pick(9) {
	case 0:
		return a.Op("LeakyRelu", []string{x}, float("alpha", .2))
	case 1:
		return a.Clip(x, -.8, 1.1)
	case 2:
		return a.Call("Mul", x, a.Call("Sigmoid", x))
	case 3:
		return writtenGelu(a.lab, x)
	case 4:
		return a.Call("Elu", x)
	case 5:
		return a.Call("PRelu", x, a.weights(a.c, 1, 1))
	case 6:
		return a.Call("Softplus", x)
	}
	return a.Call("Relu", x)
}

func (a *architect) norm(x string) string {
	switch a.pick(4) {
	case 0:
		return a.Call("InstanceNormalization", x, a.weights(a.c), a.weights(a.c))
	case 1: // over channels, written out
		d := a.Call("Sub", x, a.Reduce("ReduceMean", x, 1))
		v := a.Reduce("ReduceMean", a.Call("Pow", d, a.Float(2)), 1)
		return a.Call("Mul", a.Call("Div", d, a.Call("Sqrt", a.Call("Add", v, a.Float(.01)))), a.weights(a.c, 1, 1))
	}
	return a.Call("BatchNormalization", x, a.weights(a.c), a.weights(a.c), a.weights(a.c), a.positive(a.c))
}

func (a *architect) pool(x string) string {
	if min(a.h, a.w) < 4 {
		return x
	}
	name := []string{"MaxPool", "AveragePool"}[a.pick(2)]
	k, stride, pad := int64(2+a.pick(2)), int64(1+a.pick(2)), int64(a.pick(2))
	y := a.Op(name, []string{x}, ints("kernel_shape", k, k), ints("strides", stride, stride), ints("pads", pad, pad, pad, pad))
	a.h, a.w = (a.h+2*pad-k)/stride+1, (a.w+2*pad-k)/stride+1
	return y
}

func (a *architect) move(x string) string {
	switch a.pick(5) {
	case 0:
		a.h, a.w = a.w, a.h
		return a.Transpose(x, 0, 1, 3, 2)
	case 1:
		y := a.Op("Pad", []string{x, a.Ints(0, 0, 1, 1, 0, 0, 0, 1)}, text("mode", "reflect"))
		a.h, a.w = a.h+1, a.w+2
		return y
	case 2:
		return a.Gather(x, 1, a.reversed()...)
	case 3:
		if a.h*a.w > 60 {
			return x
		}
		y := a.Op("Resize", []string{x, a.Floats(nil, 0), a.Floats([]float32{1, 1, 2, 2}, 4)}, text("mode", []string{"nearest", "linear"}[a.pick(2)]),
			text("coordinate_transformation_mode", "asymmetric"), text("nearest_mode", "floor"))
		a.h, a.w = 2*a.h, 2*a.w
		return y
	}
	parts := a.Split(x, 1, 1, a.c-1)
	return a.Concat(1, a.Call("Tanh", parts[1]), parts[0])
}

func (a *architect) reversed() []int64 {
	var out []int64
	for i := range a.c {
		out = append(out, a.c-1-i)
	}
	return out
}

// attention mixes positions by softmax(q k^T) v.
func (a *architect) attention(x string) string {
	if a.h*a.w > 60 {
		return x
	}
	tokens := a.Transpose(a.Reshape(x, 0, a.c, -1), 0, 2, 1)
	q := a.Call("MatMul", tokens, a.Floats(a.numbers(a.c*a.c, .4), a.c, a.c))
	scores := a.Op("Softmax", []string{a.Call("MatMul", q, a.Transpose(tokens, 0, 2, 1))}, integer("axis", 2))
	y := a.Transpose(a.Call("MatMul", scores, tokens), 0, 2, 1)
	return a.Reshape(y, 0, a.c, a.h, a.w)
}

// TestRandomNetworks differentiates networks that nobody has thought of, at odd and even sizes, of one picture and three.
func TestRandomNetworks(t *testing.T) {
	for seed := range uint64(60) {
		opset := []int64{11, 12, 13, 16, 17, 18, 20, 21, 22, 24}[seed%10]
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			shape := rand.New(rand.NewPCG(seed, 3))
			dims := []int64{1 + 2*int64(seed%2), 3, 7 + shape.Int64N(8), 7 + shape.Int64N(8)}
			build := func(l *lab, x string) string {
				a := &architect{l, 3, dims[2], dims[3], dims[0]}
				for range 6 {
					x = a.layer(x)
				}
				x = a.Call("Mul", x, a.weights(a.c, a.h, a.w)) // the mean of a normalised map would be a constant
				x = a.Op("Flatten", []string{a.Reduce("ReduceMean", x, 2, 3)}, integer("axis", 1))
				return a.Op("Gemm", []string{x, a.weights(a.c, 2), a.weights(2)})
			}
			differentiate(t, scored(t, opset, seed, dims, build), input(shape, dims, 0, 1), 12)
		})
	}
}

// TestPictureSizes takes a network of strided, pooled and depthwise layers through sizes that leave something over at every
// stage, one picture and three.
func TestPictureSizes(t *testing.T) {
	for i, side := range []int64{45, 48, 61, 64, 75} {
		t.Run(fmt.Sprint(side), func(t *testing.T) {
			dims := []int64{1 + 2*int64(i%2), 3, side, side - int64(i%3)}
			build := func(l *lab, x string) string {
				a := &architect{l, 3, dims[2], dims[3], dims[0]}
				x = a.Call("Relu", a.Op("Conv", []string{x, a.weights(8, 3, 3, 3)}, ints("strides", 2, 2), ints("pads", 1, 1, 1, 1)))
				x = a.Op("MaxPool", []string{x}, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
				x = a.Call("LeakyRelu", a.Op("Conv", []string{x, a.weights(8, 1, 5, 5)}, ints("strides", 2, 2), ints("pads", 2, 2, 2, 2), integer("group", 8)))
				x = a.Op("AveragePool", []string{x}, ints("kernel_shape", 2, 2), ints("strides", 2, 2), integer("ceil_mode", 1))
				x = a.Call("Tanh", a.Op("Conv", []string{x, a.weights(6, 8, 3, 3)}, ints("pads", 1, 1, 1, 1)))
				return a.Reduce("ReduceMax", x, 2, 3)
			}
			rng := rand.New(rand.NewPCG(uint64(side), 3))
			differentiate(t, scored(t, 13+int64(i), uint64(side), dims, build), input(rng, dims, 0, 1), 12)
		})
	}
}
