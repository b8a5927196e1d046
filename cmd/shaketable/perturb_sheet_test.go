package main

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"golang.org/x/image/font"

	"shaketable/pipeline"
)

// flat is a picture of one colour.
func flat(width, height int, c color.RGBA) pipeline.Image {
	pic := pipeline.Image{Width: width, Height: height}
	for range width * height {
		pic.Pix = append(pic.Pix, c.R, c.G, c.B)
	}
	return pic
}

func newTestSheet(t *testing.T, clean pipeline.Image) *sheet {
	t.Helper()
	s, err := newSheet("suite of the test", clean)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSizeOnSheet(t *testing.T) {
	for _, c := range []struct{ width, height, wantX, wantY int }{
		{256, 256, 256, 256}, {512, 256, 256, 128}, {300, 4096, 18, 256}, {4096, 16, 256, 1}, {64, 48, 256, 192}, {100, 50, 200, 100}, {16, 16, 256, 256},
	} {
		if got := sizeOnSheet(c.width, c.height); got != image.Pt(c.wantX, c.wantY) {
			t.Errorf("%d x %d is shown as %v, want %d x %d", c.width, c.height, got, c.wantX, c.wantY)
		}
	}
}

// blocks finds the pictures on a sheet of flat colours: the top left corner of each rectangle of colour, row by row.
func blocks(page *image.RGBA, size image.Point) map[image.Point]color.RGBA {
	found := map[image.Point]color.RGBA{}
	for y := range page.Bounds().Dy() {
		for x := 0; x < page.Bounds().Dx(); x++ {
			c := page.RGBAAt(x, y)
			corner := c.R != c.G && page.RGBAAt(x-1, y) != c && page.RGBAAt(x, y-1) != c
			if corner && page.RGBAAt(x+size.X-1, y+size.Y-1) == c && page.RGBAAt(x+size.X, y) != c && page.RGBAAt(x, y+size.Y) != c {
				found[image.Pt(x, y)] = c
			}
		}
	}
	return found
}

// TestSheet: each family has its row, with the clean picture first, at one size, nothing over another.
func TestSheet(t *testing.T) {
	red := color.RGBA{200, 10, 10, 255}
	s := newTestSheet(t, flat(64, 32, red))
	want := map[color.RGBA]int{}
	for i, family := range []string{"a", "b", "a", "long_name_of_a_family", "a"} {
		c := color.RGBA{10, uint8(100 + 20*i), 200, 255}
		s.add(family, fmt.Sprintf("%d: q=%d", i, i), flat(64, 32, c))
		want[c]++
	}
	want[red] = 3
	page := s.draw()
	rows := map[int]int{}
	for at, c := range blocks(page, image.Pt(256, 128)) {
		want[c]--
		rows[at.Y]++
	}
	for c, n := range want {
		if n != 0 {
			t.Errorf("%d pictures of colour %v are missing", n, c)
		}
	}
	if len(rows) != 3 {
		t.Errorf("rows of pictures: %v, want 3", rows)
	}
	if width := 2*sheetMargin + 4*(256+sheetGap); page.Bounds().Dx() < width || page.Bounds().Dx() > width+250 {
		t.Errorf("the sheet is %v", page.Bounds())
	}
}

// TestSheetText: long captions are broken into lines that fit, nothing of them is lost, and there is ink where they stand.
func TestSheetText(t *testing.T) {
	const caption = "1: location=0.65, scale=0.3, sigma=4, threshold=0.69, strength=0.6, mud=0, and_one_very_long_parameter_name=0.123456789"
	s := newTestSheet(t, flat(16, 64, color.RGBA{200, 10, 10, 255})) // 64 x 256 on the sheet: narrower than the longest word
	s.add("spatter", caption, flat(16, 64, color.RGBA{10, 200, 10, 255}))
	first, column, columns := s.measure()
	if columns != 2 || first < font.MeasureString(s.strong, "spatter").Ceil() {
		t.Errorf("%d columns behind %d pixels", columns, first)
	}
	lines := s.wrap(caption, column)
	if strings.Join(lines, " ") != caption || len(lines) < 3 {
		t.Errorf("broken into %q", lines)
	}
	page := s.draw()
	var corner image.Point
	for at, c := range blocks(page, image.Pt(64, 256)) {
		if c.G == 200 {
			corner = at
		}
	}
	for i, line := range lines {
		if width := font.MeasureString(s.plain, line).Ceil(); width > column {
			t.Errorf("%q is %d pixels wide in a column of %d", line, width, column)
		}
		top := corner.Y + 256 + i*sheetLine
		if n := ink(page, image.Rect(corner.X, top, corner.X+column, top+sheetLine)); n < 10*len(line) {
			t.Errorf("line %d has %d pixels of ink for %q", i, n, line)
		}
	}
	below := image.Rect(0, corner.Y+256+len(lines)*sheetLine+sheetGap, page.Bounds().Dx(), page.Bounds().Dy())
	if n := ink(page, below); n > 0 || below.Empty() {
		t.Errorf("%d pixels of ink below the last line, in %v", n, below)
	}
}

// ink counts the pixels that are not white.
func ink(page *image.RGBA, r image.Rectangle) (n int) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if page.RGBAAt(x, y) != (color.RGBA{255, 255, 255, 255}) {
				n++
			}
		}
	}
	return n
}

// TestSheetLargeFamily: a family of many variants goes on in the next row, in its order.
func TestSheetLargeFamily(t *testing.T) {
	s := newTestSheet(t, flat(16, 16, color.RGBA{200, 10, 10, 255}))
	for i := range 2*sheetColumns + 1 {
		s.add("jpeg", fmt.Sprint(i), flat(16, 16, color.RGBA{10, 200, 10, 255}))
		s.add("gain", fmt.Sprint(i), flat(16, 16, color.RGBA{10, 10, 200, 255}))
	}
	var got []string
	for _, row := range s.rows {
		text := row.family
		for _, c := range row.cells {
			text += " " + c.caption
		}
		got = append(got, text)
	}
	want := "jpeg 0 1 2 3 4 5 6|jpeg 7 8 9 10 11 12 13|jpeg 14|gain 0 1 2 3 4 5 6|gain 7 8 9 10 11 12 13|gain 14"
	if strings.Join(got, "|") != want {
		t.Errorf("rows are %q", got)
	}
}

// TestSheetScalesDown: a large picture is averaged, not sampled: stripes of one pixel become grey.
func TestSheetScalesDown(t *testing.T) {
	striped := pipeline.Image{Width: 1024, Height: 1024}
	for range 1024 {
		for x := range 1024 {
			v := byte(255 * (x % 2))
			striped.Pix = append(striped.Pix, v, v, v)
		}
	}
	s := newTestSheet(t, striped)
	for _, x := range []int{10, 100, 131} {
		if v := s.clean.picture.(*image.RGBA).RGBAAt(x, 128).R; v < 117 || v > 138 {
			t.Errorf("at %d it is %d, want about 127", x, v)
		}
	}
}
