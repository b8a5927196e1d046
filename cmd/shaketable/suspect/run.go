package suspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"shaketable/perturb"
	"shaketable/pipeline"
)

// path is the part of a hypothesis in front of the model: what has to be run.
type path struct {
	input perturb.Input
	exif  string
}

func (p path) geometry() geometry {
	return geometry{p.input.Resize, p.exif, p.input.Width, p.input.Height}
}

// door is what a network is opened for.
type door struct {
	layout string
	size   Size
}

func (p path) door() door {
	return door{p.input.Layout, Size{p.input.Width, p.input.Height}}
}

// search is a Case under way.
type search struct {
	Case
	base      Hypothesis
	pictures  []Picture // those that can be used
	facts     []facts
	forms     []formed
	readings  []reading
	preparers map[string]*pipeline.Preparer // by exif
	mu        sync.Mutex                    // guards networks
	networks  map[door]opened
	outputs   map[path][][]Output // of all pictures
	telling   []int               // the pictures that are searched on
	images    map[geometry][]pipeline.Image
	same      map[geometry]geometry // the one that stands for those that make the same pixels
	seen      map[path]*sight
	order     map[path]int // in which paths were thought of
	finding   Finding
}

type opened struct {
	network Network
	err     error
}

// facts are what is known of a picture besides its score.
type facts struct {
	width, height int
	grey          bool
	turned        bool // its EXIF orientation says so
}

func newSearch(c Case) (*search, error) {
	if len(c.Pictures) == 0 {
		return nil, errors.New("no picture has a score")
	}
	s := &search{Case: c, base: c.Base, pictures: c.Pictures, networks: map[door]opened{}, outputs: map[path][][]Output{},
		preparers: map[string]*pipeline.Preparer{}, seen: map[path]*sight{}, order: map[path]int{}}
	for _, exif := range []string{"apply", "ignore"} {
		cfg := c.Prepare
		cfg.Exif = exif
		s.preparers[exif] = pipeline.NewPreparer(cfg)
	}
	return s, nil
}

func (s *search) say(what string, runs int) {
	if s.Say != nil {
		s.Say(what, runs)
	}
}

// network opens a model once.
func (s *search) network(d door) (Network, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.networks[d]
	if !ok {
		o.network, o.err = s.Open(d.layout, d.size)
		s.networks[d] = o
	}
	return o.network, o.err
}

// look runs paths on all pictures; each is decoded once. The first look decides which pictures can be used at all. A path
// that the model refuses, or that some picture cannot take, gets no outputs.
func (s *search) look(ctx context.Context, list []path) error {
	first := s.facts == nil
	var nets []Network
	for _, at := range list {
		network, err := s.network(at.door())
		if err != nil && first {
			return err
		}
		nets = append(nets, network)
	}
	results := make([][]seen, len(s.pictures))
	known := make([]facts, len(s.pictures))
	broken := make([]error, len(s.pictures))
	err := s.each(ctx, len(s.pictures), func(ctx context.Context, i int) error {
		p, err := s.decode(ctx, i)
		if err != nil {
			broken[i] = err
			return ctx.Err()
		}
		results[i] = make([]seen, len(list))
		for k, at := range list {
			if nets[k] != nil {
				results[i][k].outputs, results[i][k].err = p.run(ctx, at, nets[k])
			}
		}
		if first {
			known[i], broken[i] = p.study(ctx, s.base.Exif)
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if first {
		if err := firstFault(results); err != nil {
			return err
		}
		results = s.drop(results, known, broken)
	} else if err := errors.Join(broken...); err != nil {
		return err
	}
	s.keep(list, results)
	return nil
}

// seen is what one path gave for one picture.
type seen struct {
	outputs []Output
	err     error
}

// firstFault is the first error of a run, if there is one: the configuration itself must run.
func firstFault(results [][]seen) error {
	for _, paths := range results {
		for _, r := range paths {
			if r.err != nil {
				return r.err
			}
		}
	}
	return nil
}

// keep stores the outputs of the paths that every picture could take.
func (s *search) keep(list []path, results [][]seen) {
	for k, at := range list {
		outputs := make([][]Output, len(results))
		for i, paths := range results {
			outputs[i] = paths[k].outputs
		}
		if !slices.ContainsFunc(outputs, func(o []Output) bool { return o == nil }) {
			s.outputs[at] = outputs
		}
	}
}

// drop forgets the pictures that cannot be used.
func (s *search) drop(results [][]seen, known []facts, broken []error) (kept [][]seen) {
	var pictures []Picture
	for i, err := range broken {
		if err != nil {
			s.finding.Unusable = append(s.finding.Unusable, Unusable{s.pictures[i].Name, err})
			continue
		}
		pictures, kept, s.facts = append(pictures, s.pictures[i]), append(kept, results[i]), append(s.facts, known[i])
	}
	s.pictures = pictures
	return kept
}

func (s *search) step() {
	if s.Step != nil {
		s.Step()
	}
}

// each calls work for 0 to n-1, so many at once as keep the device busy.
func (s *search) each(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(1, s.Parallel))
	for i := range n {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			defer s.step()
			return work(ctx, i)
		})
	}
	return group.Wait()
}

func otherExif(exif string) string {
	if exif == "apply" {
		return "ignore"
	}
	return "apply"
}

// blind names what these pictures cannot tell, because it makes no difference to any of them.
func (s *search) blind() (list []string) {
	all := func(is func(facts) bool) bool {
		return !slices.ContainsFunc(s.facts, func(f facts) bool { return !is(f) })
	}
	w, h := s.base.Input.Width, s.base.Input.Height
	switch {
	case all(func(f facts) bool { return f.width == w && f.height == h }):
		list = append(list, fmt.Sprintf("how pictures are scaled (all of them are %d x %d already)", w, h))
	case all(func(f facts) bool { return f.width*h == f.height*w }):
		list = append(list, "the fit: stretch, crop or letterbox (all pictures have the shape of the input)")
	}
	if all(func(f facts) bool { return f.grey }) {
		list = append(list, "the order of colours (all pictures are grey)")
	}
	if all(func(f facts) bool { return !f.turned }) {
		list = append(list, "whether EXIF orientations are applied (no picture is turned by one)")
	}
	return list
}
