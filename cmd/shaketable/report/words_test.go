package report

import (
	"math"
	"testing"

	"shaketable/metrics"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{percent(.9711), "97.1 %"}, {percent(.99999), "99.9 %"}, {percent(1), "100 %"}, {percent(0), "0 %"}, {percent(.0001), "0.1 %"}, {percent(.5), "50.0 %"}, {percent(math.NaN()), "–"},
		{count(.375), "38 of 100"}, {count(.004), "4 of 1000"}, {count(.9996), "999 of 1000"}, {count(1), "all"}, {count(0), "no"},
		{points(-.125), "−12.5"}, {points(.03), "+3.0"}, {points(.0001), "0"},
		{decimal(.0314), ".031"}, {decimal(1), "1.000"}, {decimal(math.Copysign(0, -1)), ".000"}, {decimal(math.Inf(1)), "any"},
		{thousands(18156), "18\u202f156"}, {thousands(999), "999"}, {thousands(1234567), "1\u202f234\u202f567"},
		{whole(104.00000000000001), "104"}, {whole(20.8), "20.8"},
		{words("gaussian_blur"), "blur"}, {words("pgd10_self_uint8"), "PGD, 10 steps, against the verdict, stored as 8 bits"},
		{words("fgsm_l2_label"), "FGSM, L2, against the label"}, {words("cw_self"), "Carlini-Wagner, against the verdict"}, {words("fog_x"), "fog x"},
		{fileName("a b/c:é.1"), "a-b-c--.1"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

// TestNoticed holds the delays against those that the design of the alerts computed, at evidence 7e5: from a null of .12 to
// .15, .20 and .30, and from .05 to .10.
func TestNoticed(t *testing.T) {
	for _, c := range []struct {
		k, n float64
		want [3]int
	}{
		{100_000, 1_000_000, [3]int{3778, 581, 131}},
		{30_000, 1_000_000, [3]int{1865, 0, 0}},
		{99, 100, [3]int{}},
	} {
		got := Noticed(metrics.Trials{N: c.n, K: c.k}, 7e5)
		for i, want := range c.want {
			if want > 0 && math.Abs(float64(got[i]-want)) > 1 || c.k == 99 && got[i] != 0 {
				t.Errorf("%v of %v: %v, want %v", c.k, c.n, got, c.want)
			}
		}
	}
}
