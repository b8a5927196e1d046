//go:build cgo

package main

import (
	"fmt"
	"io"

	"shaketable/metrics"
	"shaketable/perturb"
)

// scored is one held-out picture: its truth and the probability of fake, clean first, then under every variant.
type scored struct {
	fake bool
	p    []float64
}

// rates are shares of pictures: RA_self, RR(.05) and RR(.10).
type rates struct{ ra, rr05, rr10 float64 }

// figures are what one version reaches on held-out pictures. The mean is over families, and a family's over its variants.
type figures struct {
	accuracy float64
	families []string
	of       map[string]rates
	mean     rates
}

const threshold = .5

func figuresOf(variants []perturb.Variant, pictures []scored) figures {
	f := figures{of: map[string]rates{}}
	members := map[string]float64{}
	for _, v := range variants {
		if members[v.Family] == 0 {
			f.families = append(f.families, v.Family)
		}
		members[v.Family]++
	}
	for _, pic := range pictures {
		f.accuracy += hit((pic.p[0] >= threshold) == pic.fake, len(pictures))
		for i, v := range variants {
			clean, changed := pic.p[0], pic.p[i+1]
			d := metrics.Ticks(clean, changed)
			n := len(pictures) * int(members[v.Family])
			r := f.of[v.Family]
			r.ra += hit((clean >= threshold) == (changed >= threshold), n)
			r.rr05 += hit(d <= metrics.Edge(.05), n)
			r.rr10 += hit(d <= metrics.Edge(.10), n)
			f.of[v.Family] = r
		}
	}
	for _, name := range f.families {
		n := float64(len(f.families))
		f.mean.ra += f.of[name].ra / n
		f.mean.rr05 += f.of[name].rr05 / n
		f.mean.rr10 += f.of[name].rr10 / n
	}
	return f
}

func hit(yes bool, n int) float64 {
	if yes {
		return 1 / float64(n)
	}
	return 0
}

// writeTable prints both versions side by side as a Markdown table.
func writeTable(w io.Writer, old, fresh figures) error {
	row := func(name string, a, b rates) string {
		return fmt.Sprintf("| %s | %.3f | %.3f | %.3f | %.3f | %.3f | %.3f |\n", name, a.ra, b.ra, a.rr05, b.rr05, a.rr10, b.rr10)
	}
	text := "| family | RA_self 1.0 | 1.1 | RR(.05) 1.0 | 1.1 | RR(.10) 1.0 | 1.1 |\n|---|---|---|---|---|---|---|\n"
	for _, name := range old.families {
		text += row(name, old.of[name], fresh.of[name])
	}
	text += row("**mean**", old.mean, fresh.mean)
	_, err := fmt.Fprintf(w, "Accuracy on clean pictures: 1.0 %.3f, 1.1 %.3f.\n\n%s", old.accuracy, fresh.accuracy, text)
	return err
}
