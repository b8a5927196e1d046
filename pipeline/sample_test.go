package pipeline

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"testing"
)

var testKey = []byte("0123456789abcdef")

// Positions in [0,1) and hidden ids, computed with Python's hmac and hashlib.
func TestSampleAgainstPython(t *testing.T) {
	s := NewSampler(testKey)
	for _, c := range []struct {
		id, hidden string
		at         float64
	}{
		{"clip-8812/000123", "edd83b2f43605b3966d516e72e310b4e", .046173635599523},
		{"a", "3ce85199a868cc463a915a054a72412d", .961824865103272},
		{"", "bdeb614cdafc2cd97e7c814029885e07", .236764078652540},
		{"média-é", "41ca5399d4c5f9879fb49a5e0994b185", .650773770167817},
	} {
		if s.Sample(c.id, c.at-1e-12) || !s.Sample(c.id, c.at+1e-12) {
			t.Errorf("%q is not at %v", c.id, c.at)
		}
		if got := s.Hide(c.id); got != c.hidden {
			t.Errorf("%q is hidden as %s, want %s", c.id, got, c.hidden)
		}
	}
	if NewSampler([]byte("another key of 16")).Hide("a") == s.Hide("a") {
		t.Error("the key makes no difference")
	}
}

// The id of the key and the place of a media, computed with Python's hmac and hashlib.
func TestKeyIDAndPlaces(t *testing.T) {
	s := NewSampler(testKey)
	if got := s.KeyID(); got != "1e2f7f49" {
		t.Errorf("the id of the key is %s", got)
	}
	for id, want := range map[string]float64{"clip-8812/000123": 0.605333924130626, "a": 0.208844822398875} {
		if got := s.AttackPlace(id); math.Abs(got-want) > 1e-15 {
			t.Errorf("%q is at %v for attacks, want %v", id, got, want)
		}
		place := s.Place(id)
		if s.Sample(id, place) || !s.Sample(id, math.Nextafter(place, 1)) {
			t.Errorf("%q is not at its place %v", id, place)
		}
	}
}

func TestSampleRates(t *testing.T) {
	s := NewSampler(testKey)
	for rate, want := range map[float64]bool{0: false, -1: false, math.NaN(): false, math.Inf(-1): false, 1: true, 2: true} {
		for _, id := range []string{"", "a", "clip-8812/000123"} {
			if s.Sample(id, rate) != want {
				t.Errorf("Sample(%q, %v) is %v", id, rate, !want)
			}
		}
	}
	for i := range 2000 { // what a lower rate chooses, a higher one keeps
		id, last := fmt.Sprint(i), false
		for _, rate := range []float64{.001, .01, .2, .7, 1} {
			now := s.Sample(id, rate)
			if last && !now {
				t.Fatalf("%s is in at a lower rate and out at %v", id, rate)
			}
			last = now
		}
	}
}

// The choice is compared with exact rational arithmetic on the whole 64 bits, the rates with the binomial's 99.9 % interval
// and the positions with chi-square: 15 degrees of freedom, 37.7 at .001.
func TestSampleIsFair(t *testing.T) {
	const n = 20_000
	s := NewSampler(testKey)
	var bins [16]float64
	for _, rate := range []float64{.01, .25} {
		bound := new(big.Rat).Mul(new(big.Rat).SetFloat64(rate), new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 64)))
		chosen := 0
		for i := range n {
			id := fmt.Sprintf("media-%d", i)
			mac := hmac.New(sha256.New, testKey)
			mac.Write([]byte("sample\x00" + id))
			u := binary.BigEndian.Uint64(mac.Sum(nil))
			want := new(big.Rat).SetInt(new(big.Int).SetUint64(u)).Cmp(bound) < 0
			if got := s.Sample(id, rate); got != want {
				t.Fatalf("Sample(%s, %v) is %v, want %v", id, rate, got, want)
			}
			if want {
				chosen++
			}
			bins[u>>60] += .5 // each id comes by twice
		}
		if off := math.Abs(float64(chosen) - n*rate); off > 3.29*math.Sqrt(n*rate*(1-rate)) {
			t.Errorf("%d of %d chosen at rate %v", chosen, n, rate)
		}
	}
	chi := 0.
	for _, b := range bins {
		chi += (b - n/16) * (b - n/16) / (n / 16)
	}
	if chi > 37.7 {
		t.Errorf("chi-square of the positions is %.1f", chi)
	}
}
