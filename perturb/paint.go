package perturb

import (
	"fmt"
	"slices"

	"shaketable/perturb/graph"
)

// outline is a suite with the families and numbers of its variants found.
type outline struct {
	families []Family  // per variant
	settings []setting // per variant
	host     []int     // variants that the host makes, ascending
	seeded   bool      // a variant of the graph needs the media's seed
}

// outlineOf resolves the variants of a suite. Severities are labels; the parameter decides.
func outlineOf(s Suite) (outline, error) {
	if !slices.Contains([]string{"", CodecGraph, CodecExact}, s.Codec) {
		return outline{}, fmt.Errorf("suite %q: codec %q must be %s or %s", s.Name, s.Codec, CodecGraph, CodecExact)
	}
	var o outline
	at := map[string]bool{}
	for i, v := range s.Variants {
		f, level, err := v.resolve()
		if err != nil {
			return outline{}, fmt.Errorf("suite %q: %w", s.Name, err)
		}
		name := f.Name + " " + level.text
		if at[name] {
			return outline{}, fmt.Errorf("suite %q: perturbation %s is in the suite twice", s.Name, v)
		}
		at[name] = true
		o.families, o.settings = append(o.families, f), append(o.settings, level)
		switch {
		case s.onHost(f):
			o.host = append(o.host, i)
		case f.Random:
			o.seeded = true
		}
	}
	return o, nil
}

// onHost says whether the pixels of a family are made in Go for this suite.
func (s Suite) onHost(f Family) bool {
	return f.Host || s.Codec == CodecExact && (f.Name == "jpeg" || f.Name == "social")
}

// paint emits the variants, in the order of the suite: uint8 [N,3,H,W] each. Families are emitted once, with all the levels
// that are asked of them, so that they can share work between levels.
func (c *canvas) paint(o outline) []string {
	out := make([]string, len(o.families))
	if len(o.host) > 0 {
		for j, x := range c.hosted(int64(len(o.host))) {
			out[o.host[j]] = x
		}
	}
	for i, f := range o.families {
		if out[i] != "" {
			continue
		}
		var members []int
		var settings []setting
		for j := i; j < len(o.families); j++ {
			if o.families[j].Name == f.Name {
				members, settings = append(members, j), append(settings, o.settings[j])
			}
		}
		for j, x := range f.emit(c, settings) {
			out[members[j]] = x
		}
	}
	return out
}

// hosted declares the input of the variants that the host has made, and cuts it: uint8 [N,3,H,W] each.
func (c *canvas) hosted(count int64) []string {
	pixels := c.b.Input("host", graph.Uint8, count, c.n, c.h, c.w, 3)
	planes := c.b.Transpose(pixels, 0, 1, 4, 2, 3)
	if count == 1 {
		return []string{c.b.Reshape(planes, -1, 3, c.h, c.w)}
	}
	var out []string
	for _, x := range c.b.Split(planes, 0, ones(int(count))...) {
		out = append(out, c.b.Reshape(x, -1, 3, c.h, c.w))
	}
	return out
}
