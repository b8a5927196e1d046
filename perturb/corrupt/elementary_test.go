package corrupt

import (
	"math"
	"testing"
)

func TestElementary(t *testing.T) {
	for x := -690.; x < 690; x += .37 {
		if got, want := exponential(x), math.Exp(x); math.Abs(got-want) > 1e-14*want {
			t.Fatalf("exponential(%g) is %g, want %g", x, got, want)
		}
	}
	if got := exponential(-1e300); got != 0 {
		t.Errorf("exponential(-1e300) is %g", got)
	}
	for x := 1e-300; x < 1e300; x *= 1.7 {
		if got, want := natural(x), math.Log(x); math.Abs(got-want) > 1e-14*max(math.Abs(want), 1e-2) {
			t.Fatalf("natural(%g) is %g, want %g", x, got, want)
		}
	}
	for angle := -180.; angle <= 180; angle += .7 {
		cosine, sine := direction(angle)
		wantSine, wantCosine := math.Sincos(angle * math.Pi / 180)
		if math.Abs(cosine-wantCosine) > 1e-14 || math.Abs(sine-wantSine) > 1e-14 {
			t.Fatalf("direction(%g) is %g, %g, want %g, %g", angle, cosine, sine, wantCosine, wantSine)
		}
	}
}
