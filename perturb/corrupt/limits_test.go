package corrupt

import (
	"bytes"
	"testing"
)

// Each of the 64 bits of a seed makes another picture.
func TestEverySeedBitCounts(t *testing.T) {
	in := raster{bytes.Repeat([]byte{128}, 3*16*16), 16, 16}
	const seed = 0x0123456789abcdef
	base := mustApply(t, "impulse_noise", []float64{.5}, in, seed)
	for bit := range 64 {
		if bytes.Equal(base, mustApply(t, "impulse_noise", []float64{.5}, in, seed^1<<bit)) {
			t.Errorf("bit %d of the seed changes nothing", bit)
		}
	}
}

// Numbers of NumPy 2.4.6: arange(1, stop, step)[k]. At the sizes the last bit decides how many samples of the middle are enlarged.
func TestLayers(t *testing.T) {
	for _, c := range []struct {
		step float64
		k    int
		want float64
		side int
		seen int // samples of the middle
	}{
		{.01, 11, 1.11, 100, 91},
		{.01, 13, 1.1300000000000001, 226, 200},
		{.01, 15, 1.1500000000000001, 230, 200},
		{.02, 8, 1.1600000000000001, 145, 125},
		{.03, 5, 1.1500000000000001, 69, 60},
		{.03, 7, 1.2100000000000002, 121, 100},
	} {
		factor := layer(c.k, c.step)
		if factor != c.want {
			t.Errorf("layer %d by %g is %.17g, want %.17g", c.k, c.step, factor, c.want)
		}
		taps := zoomAxis(c.side, factor)
		if first, last := taps[0].at, taps[c.side-1].next; last-first+1 > c.seen {
			t.Errorf("%d samples enlarged by %g: %d..%d are seen, want %d at most", c.side, factor, first, last, c.seen)
		}
	}
	for _, c := range []struct {
		stop, step float64
		n          int
	}{{1.11, .01, 12}, {1.16, .01, 16}, {1.21, .02, 11}, {1.26, .02, 13}, {1.31, .03, 11}} {
		if n := layers(c.stop, c.step); n != c.n {
			t.Errorf("%g by %g: %d layers, want %d", c.stop, c.step, n, c.n)
		}
	}
}

// Numbers of OpenCV 5.0.0: GaussianBlur of the disk of radius 8 with 3 x 3 samples, of radius 9 with 5 x 5.
func TestDisk(t *testing.T) {
	eight, r := disk(8, .5)
	if r != 8 {
		t.Fatalf("the kernel of radius 8 reaches %d", r)
	}
	near(t, "radius 8", []float64{eight[8*17], eight[1*17+4]}, []float64{.00422518268221106, .000966124287925946}, 1e-8)
	nine, r := disk(9, .5)
	if r != 9 {
		t.Fatalf("the kernel of radius 9 reaches %d", r)
	}
	near(t, "radius 9", []float64{nine[9*19+9], nine[9*19], nine[2*19+3], nine[6]},
		[]float64{.003952569169960474, .003289022849547819, .0007087802771145228, .000843371924225886}, 1e-8)
}

// A black picture without fog stays black: nothing is divided by its largest sample.
func TestFogOnBlack(t *testing.T) {
	in := raster{make([]byte, 3*16*17), 16, 17}
	for _, scale := range []float64{0, 1.5} {
		if got := mustApply(t, "fog", []float64{scale, 2}, in, 1); !bytes.Equal(got, in.pix) {
			t.Errorf("scale %g changes a black picture", scale)
		}
	}
}
