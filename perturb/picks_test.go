package perturb_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"shaketable/perturb"
)

// TestPicksAreFair: over media, every variant but the anchor is chosen equally often, the anchor always and once.
func TestPicksAreFair(t *testing.T) {
	mine, err := perturb.NewSuite("mine", "1", []string{"gain@1", "gain@2", "gain@3", "resize@1", "brightness@1", "brightness@2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []perturb.Suite{suite(t, "deepfake-v1"), suite(t, "production"), suite(t, "imagenet-c"), mine} {
		anchor := slices.IndexFunc(s.Variants, func(v perturb.Variant) bool { return v.Family == "jpeg" && v.Severity == 2 }) + 1
		others, places := len(s.Variants), 0
		if anchor > 0 {
			others, places = others-1, 1
		}
		for _, per := range []int{1, 2, 5, len(s.Variants) - 1} {
			const media = 6_000
			count := map[int]int{}
			for i := range media {
				p := perturb.Picks(s, per, perturb.Seed(fmt.Sprint("clip-", i), s.Version))
				if len(p) != per || !slices.IsSorted(p) || len(slices.Compact(slices.Clone(p))) != per || p[0] < 1 || p[per-1] > len(s.Variants) {
					t.Fatalf("%s, %d per probe: %v", s.Name, per, p)
				}
				for _, v := range p {
					count[v]++
				}
			}
			share := float64(per-places) / float64(others)
			for v := 1; v <= len(s.Variants); v++ {
				expect, spread := share*media, math.Sqrt(share*(1-share)*media)
				if v == anchor {
					expect, spread = media, 0
				}
				if d := math.Abs(float64(count[v]) - expect); d > 5*spread {
					t.Errorf("%s, %d per probe: %v comes %d times, want %.0f", s.Name, per, s.Variants[v-1], count[v], expect)
				}
			}
		}
	}
}

// TestPicksSpread: with as many places as there are families, each family comes once or twice and there are four severities or five.
func TestPicksSpread(t *testing.T) {
	s := suite(t, "deepfake-v1")
	for seed := range int64(500) {
		p := perturb.Picks(s, 11, seed)
		families, severities := map[string]int{}, map[int]int{}
		for _, i := range p {
			v := s.Variants[i-1]
			if v.Family == "jpeg" && v.Severity == 2 {
				continue
			}
			families[v.Family]++
			severities[v.Severity]++
		}
		for f, n := range families {
			if n > 2 {
				t.Fatalf("seed %d: %s comes %d times among %v", seed, f, n, p)
			}
		}
		if len(families) < 8 || len(severities) < 4 {
			t.Fatalf("seed %d: %d families and %d severities among %v", seed, len(families), len(severities), p)
		}
	}
}

// TestPicksMeet: two variants that are picked together are of any two severities, each pair about equally often.
func TestPicksMeet(t *testing.T) {
	s := suite(t, "deepfake-v1")
	const media = 4_000
	met := map[[2]int]int{}
	for seed := range int64(media) {
		var pair []int
		for _, i := range perturb.Picks(s, 3, seed) {
			if v := s.Variants[i-1]; v.Family != "jpeg" || v.Severity != 2 {
				pair = append(pair, v.Severity)
			}
		}
		met[[2]int{min(pair[0], pair[1]), max(pair[0], pair[1])}]++
	}
	for a := 1; a <= 5; a++ {
		for b := a + 1; b <= 5; b++ {
			if n := met[[2]int{a, b}]; n < media/10*8/10 || n > media/10*12/10 {
				t.Errorf("severities %d and %d meet %d times, want about %d", a, b, n, media/10)
			}
		}
	}
}

func TestPicksOfAll(t *testing.T) {
	s := suite(t, "production")
	for _, per := range []int{0, -1, 8, 9} {
		if p := perturb.Picks(s, per, 3); !slices.Equal(p, []int{1, 2, 3, 4, 5, 6, 7, 8}) {
			t.Errorf("%d per probe: %v", per, p)
		}
	}
	if a, b := perturb.Picks(s, 3, 77), perturb.Picks(s, 3, 77); !slices.Equal(a, b) {
		t.Errorf("the same seed picks %v and %v", a, b)
	}
}
