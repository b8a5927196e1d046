package main

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"shaketable/pipeline"
)

// The contact sheet shows what a suite does, for the eye: a row per family, the clean picture first in every row, and under
// each picture the parameters that made it.
//
// In: one variant after the other, families together. Out: one picture. Invariant: no text is cut off; what is too wide for
// its column is broken into lines.

// Sizes of the sheet in pixels.
const (
	sheetCell    = 256 // long side of a picture on the sheet
	sheetColumns = 7   // variants beside the clean picture; a family with more goes on in the next row
	sheetMargin  = 16
	sheetGap     = 10
	sheetText    = 13.
	sheetLine    = 16
	sheetTitle   = 18.
)

// cell is a picture on the sheet with its caption.
type cell struct {
	picture image.Image
	caption string
}

// sheet gathers the cells of one contact sheet.
type sheet struct {
	title  string
	size   image.Point // of every picture on it
	clean  cell
	rows   []sheetRow
	plain  font.Face
	strong font.Face
	large  font.Face
}

// sheetRow is one family, or a part of a large one.
type sheetRow struct {
	family string
	cells  []cell
}

// newSheet begins a sheet with the clean picture. Every picture that is added has its size.
func newSheet(title string, clean pipeline.Image) (*sheet, error) {
	s := &sheet{title: title, size: sizeOnSheet(clean.Width, clean.Height)}
	for _, f := range []struct {
		face *font.Face
		data []byte
		size float64
	}{{&s.plain, goregular.TTF, sheetText}, {&s.strong, gobold.TTF, sheetText}, {&s.large, gobold.TTF, sheetTitle}} {
		parsed, err := opentype.Parse(f.data)
		if err != nil {
			return nil, fmt.Errorf("contact sheet: %w", err)
		}
		if *f.face, err = opentype.NewFace(parsed, &opentype.FaceOptions{Size: f.size, DPI: 72, Hinting: font.HintingFull}); err != nil {
			return nil, fmt.Errorf("contact sheet: %w", err)
		}
	}
	s.clean = cell{s.thumbnail(clean), "clean"}
	return s, nil
}

// sizeOnSheet returns the size at which a picture stands on the sheet: scaled down until its long side fits, or enlarged by a
// whole factor, so that the pixels of a small one stay visible as they are.
func sizeOnSheet(width, height int) image.Point {
	long := max(width, height)
	if long <= sheetCell {
		factor := sheetCell / long
		return image.Pt(width*factor, height*factor)
	}
	return image.Pt(max(1, width*sheetCell/long), max(1, height*sheetCell/long))
}

// add puts a variant behind those of its family.
func (s *sheet) add(family, caption string, picture pipeline.Image) {
	at := len(s.rows) - 1
	for at >= 0 && s.rows[at].family != family {
		at--
	}
	switch {
	case at < 0:
		at = len(s.rows)
		s.rows = append(s.rows, sheetRow{family: family})
	case len(s.rows[at].cells) == sheetColumns:
		at++
		s.rows = slices.Insert(s.rows, at, sheetRow{family: family})
	}
	s.rows[at].cells = append(s.rows[at].cells, cell{s.thumbnail(picture), caption})
}

func (s *sheet) thumbnail(picture pipeline.Image) image.Image {
	full := rgba(picture)
	small := image.NewRGBA(image.Rectangle{Max: s.size})
	scaler := draw.Scaler(draw.CatmullRom)
	if s.size.X >= picture.Width {
		scaler = draw.NearestNeighbor
	}
	scaler.Scale(small, small.Bounds(), full, full.Bounds(), draw.Src, nil)
	return small
}

// rgba returns the picture as Go's encoders and scalers take it.
func rgba(picture pipeline.Image) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, picture.Width, picture.Height))
	for i := range picture.Width * picture.Height {
		copy(out.Pix[4*i:4*i+3], picture.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	return out
}

// draw returns the whole sheet.
func (s *sheet) draw() *image.RGBA {
	first, column, columns := s.measure()
	lines := make([]int, len(s.rows)) // of captions, by row
	height := 2*sheetMargin + int(sheetTitle) + sheetGap
	for i, row := range s.rows {
		for _, c := range row.cells {
			lines[i] = max(lines[i], len(s.wrap(c.caption, column)))
		}
		height += s.size.Y + lines[i]*sheetLine + 2*sheetGap
	}
	width := max(2*sheetMargin+first+columns*(column+sheetGap), 2*sheetMargin+font.MeasureString(s.large, s.title).Ceil())
	page := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(page, page.Bounds(), image.White, image.Point{}, draw.Src)
	s.write(page, s.large, s.title, sheetMargin, sheetMargin+int(sheetTitle))
	y := sheetMargin + int(sheetTitle) + 2*sheetGap
	for i, row := range s.rows {
		s.write(page, s.strong, row.family, sheetMargin, y+sheetLine)
		for j, c := range append([]cell{s.clean}, row.cells...) {
			s.place(page, c, image.Pt(sheetMargin+first+j*(column+sheetGap), y), column)
		}
		y += s.size.Y + lines[i]*sheetLine + 2*sheetGap
	}
	return page
}

// measure returns the width of the column of names, the width of the other columns, and how many of these there are.
func (s *sheet) measure() (first, column, columns int) {
	column = s.size.X
	for _, row := range s.rows {
		first = max(first, font.MeasureString(s.strong, row.family).Ceil()+2*sheetGap)
		columns = max(columns, 1+len(row.cells))
		for _, c := range row.cells {
			for _, word := range breakable(c.caption) {
				column = max(column, font.MeasureString(s.plain, word).Ceil())
			}
		}
	}
	return first, column, columns
}

func (s *sheet) place(page *image.RGBA, c cell, at image.Point, column int) {
	draw.Draw(page, image.Rectangle{Min: at, Max: at.Add(s.size)}, c.picture, image.Point{}, draw.Src)
	for i, line := range s.wrap(c.caption, column) {
		s.write(page, s.plain, line, at.X, at.Y+s.size.Y+(i+1)*sheetLine)
	}
}

// write draws one line of text; y is its base line.
func (s *sheet) write(page *image.RGBA, face font.Face, text string, x, y int) {
	ink := image.NewUniform(color.RGBA{0x1c, 0x1c, 0x1c, 0xff})
	d := font.Drawer{Dst: page, Src: ink, Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// wrap breaks a caption into lines that are no wider than the column, between parameters.
func (s *sheet) wrap(caption string, column int) []string {
	var lines []string
	for _, word := range breakable(caption) {
		last := len(lines) - 1
		if last >= 0 && font.MeasureString(s.plain, lines[last]+" "+word).Ceil() <= column {
			lines[last] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}

func breakable(caption string) []string { return strings.Fields(caption) }
