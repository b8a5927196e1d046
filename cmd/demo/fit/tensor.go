//go:build cgo

package main

import "shaketable/cmd/demo/media"

// toTensor turns 8 bit pixels, row by row with stride bytes each, red, green and blue first, into float32 [3,Size,Size] in
// [0,1].
func toTensor(pix []byte, stride int) []float32 {
	const n = media.Size * media.Size
	out := make([]float32, 3*n)
	for i := range n {
		for c := range 3 {
			out[c*n+i] = float32(pix[i*stride+c]) / 255
		}
	}
	return out
}
