package suspect

import (
	"slices"
)

// alternative is one change of a path; those of one decision exclude each other.
type alternative struct {
	decision int
	apply    func(*path)
}

// The decisions in front of the model.
const (
	ofColor = iota
	ofLevels
	ofLayout
	ofGeometry
)

// alternatives lists every change that is tried.
func (s *search) alternatives() (list []alternative) {
	in := s.base.Input
	add := func(decision int, apply func(*path)) { list = append(list, alternative{decision, apply}) }
	other := map[string]string{"RGB": "BGR", "BGR": "RGB"}[in.Color]
	add(ofColor, func(p *path) { p.input.Color = other })
	if !s.Bytes {
		for _, l := range otherLevels(in) {
			add(ofLevels, func(p *path) { p.input.Scale, p.input.Mean, p.input.Std = l.scale, l.mean, l.std })
		}
	}
	for _, layout := range s.Layouts {
		if layout != in.Layout {
			add(ofLayout, func(p *path) { p.input.Layout = layout })
		}
	}
	return list
}

// geometries lists every way to the input's size, the configured one first, then by how much it changes.
func (s *search) geometries() []geometry {
	base := path{s.base.Input, s.base.Exif}.geometry()
	list := []geometry{base}
	exifs := []string{s.base.Exif}
	if slices.ContainsFunc(s.facts, func(f facts) bool { return f.turned }) {
		exifs = append(exifs, otherExif(s.base.Exif))
	}
	sizes := append([]Size{{base.width, base.height}}, s.Sizes...)
	for _, size := range sizes {
		for _, exif := range exifs {
			for _, resize := range fitsOf(max(size.Width, size.Height)) {
				for _, resize.Method = range methods() {
					list = append(list, geometry{resize, exif, size.Width, size.Height})
				}
			}
		}
	}
	unique := list[:0:0]
	for _, g := range list {
		if !slices.Contains(unique, g) {
			unique = append(unique, g)
		}
	}
	slices.SortStableFunc(unique, func(a, b geometry) int { return a.steps(base) - b.steps(base) })
	return unique
}

// steps counts the decisions in which two geometries differ.
func (g geometry) steps(base geometry) int {
	n := 0
	for _, differs := range []bool{g.width != base.width || g.height != base.height, g.exif != base.exif,
		g.resize.Method != base.resize.Method, g.resize.Fit != base.resize.Fit || g.resize.Side != base.resize.Side} {
		if differs {
			n++
		}
	}
	return n
}

// combinations lists the paths with at most so many changes; from three on, all of them. Of geometries that make the same
// pixels only the first is among them.
func (s *search) combinations(changes int) []path {
	base := path{s.base.Input, s.base.Exif}
	type partial struct {
		path
		steps int
	}
	list := []partial{{base, 0}}
	extend := func(decision int) {
		for _, p := range slices.Clone(list) {
			for _, a := range s.alternatives() {
				if a.decision == decision {
					next := p
					a.apply(&next.path)
					next.steps++
					list = append(list, next)
				}
			}
		}
	}
	extend(ofColor)
	extend(ofLevels)
	extend(ofLayout)
	for _, p := range slices.Clone(list) {
		for _, g := range s.geometries() {
			if g == base.geometry() || s.same[g] != g {
				continue
			}
			next := p
			next.input.Resize, next.exif, next.input.Width, next.input.Height = g.resize, g.exif, g.width, g.height
			next.steps += g.steps(base.geometry())
			list = append(list, next)
		}
	}
	var paths []path
	for _, p := range list {
		if p.steps <= changes || changes > 2 {
			paths = append(paths, p.path)
			if _, ok := s.order[p.path]; !ok {
				s.order[p.path] = len(s.order)
			}
		}
	}
	return paths
}
