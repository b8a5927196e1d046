package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"path/filepath"
	"strings"

	"shaketable/cmd/shaketable/report"
	"shaketable/perturb"
	"shaketable/perturb/attack"
	"shaketable/pipeline"
)

// reportFiles are report.html and, if they were asked for, the plots.
func (t task) reportFiles(ctx context.Context, o evaluateOptions, done []evaluation, checks []report.Check) (files []output, err error) {
	in, err := t.reported(ctx, o, done, checks)
	if err != nil {
		return nil, err
	}
	text, err := report.HTML(in)
	if err != nil {
		err = fmt.Errorf("evaluate: %w", err)
	} else {
		files = append(files, output{"report.html", text})
	}
	if !o.plots {
		return files, err
	}
	plots, fault := report.Plots(in)
	for _, f := range plots {
		files = append(files, output{"plots/" + f.Name, f.Data})
	}
	return files, errors.Join(err, fault)
}

// reported is what the report is made of.
func (t task) reported(ctx context.Context, o evaluateOptions, done []evaluation, checks []report.Check) (report.Input, error) {
	level, err := pipeline.DefaultAlertConfig().AlarmLevel(pipeline.Paging)
	if err != nil {
		return report.Input{}, fmt.Errorf("evaluate: %w", err)
	}
	in := report.Input{At: t.began, Tool: toolVersion(), Folder: filepath.Base(t.media.dir), Attributes: t.attributes, Level: level, Checks: checks}
	if len(t.suite.Variants) > 0 {
		in.Suite = t.suite.Name + "@" + t.suite.Version
	}
	if recompresses(t.suite) {
		in.Codec = t.suite.Codec
	}
	if o.against != "" {
		in.Against = filepath.Base(o.against)
	}
	for _, p := range t.media.pictures {
		in.Media = append(in.Media, report.Medium{Name: p.name, Fake: p.fake, Values: p.values})
	}
	for i, e := range done {
		d := report.Detector{Counts: e.counts, Engine: e.engine, Digest: mediaDigest(t.media.pictures, e), Probs: make([][]float64, len(e.results))}
		for j, r := range e.results {
			if r.err == nil {
				d.Probs[j] = r.probs
			}
		}
		if len(t.suite.Variants) > 0 {
			d.Floor = floorWords(e)
		}
		if t.against != nil {
			d.Before = &t.against[i]
		}
		d.Attack = e.attacked.reported()
		in.Detectors = append(in.Detectors, d)
	}
	if o.thumbs {
		prepare := pipeline.NewPreparer(pipeline.DefaultPrepareConfig())
		in.Thumbnail = func(medium int) ([]byte, error) { return thumbnail(ctx, prepare, t.media, medium) }
	}
	return in, nil
}

// reported is what the report says of attacks; nil without.
func (a *attacked) reported() *report.Attack {
	if a == nil {
		return nil
	}
	out := &report.Attack{Distance: a.distance, Passes: a.passes}
	rows, next := attack.Rows(a.specs), 0
	for i, s := range a.specs {
		end := len(a.variants)
		if i+1 < len(rows) {
			end = rows[i+1]
		}
		for ; next < end; next++ {
			out.Bounds = append(out.Bounds, report.Bound{Eps: s.Eps, Norm: s.Norm, Target: s.Target})
		}
	}
	if len(a.unsupported) > 0 {
		out.Notes = append(out.Notes, "no gradient through "+strings.Join(a.unsupported, ", ")+": square was run in place of the attacks that need one")
	}
	for _, s := range a.masked {
		out.Notes = append(out.Notes, s.String())
	}
	return out
}

// thumbnailSide is the length of the sides of a thumbnail in pixels: twice what is shown, for fine screens.
const thumbnailSide = 112

// thumbnail is a small JPEG of a picture, its middle.
func thumbnail(ctx context.Context, prepare *pipeline.Preparer, media folder, at int) ([]byte, error) {
	data, err := readCapped(filepath.Join(media.dir, filepath.FromSlash(media.pictures[at].name)), pipeline.DefaultPrepareConfig().MaxBytes)
	if err != nil {
		return nil, err
	}
	small, err := prepare.Prepare(ctx, data, nil, perturb.Input{Width: thumbnailSide, Height: thumbnailSide, Resize: perturb.Resize{Method: "area", Fit: "crop"}})
	if err != nil {
		return nil, err
	}
	pic := image.NewRGBA(image.Rect(0, 0, small.Width, small.Height))
	for i := range small.Width * small.Height {
		copy(pic.Pix[4*i:], small.Pix[3*i:3*i+3])
		pic.Pix[4*i+3] = 255
	}
	var text bytes.Buffer
	if err := jpeg.Encode(&text, pic, &jpeg.Options{Quality: 75}); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}
