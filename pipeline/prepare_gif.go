package pipeline

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
)

// decodeGIF returns the first frame on its w x h screen, as Pillow shows it: a pixel that is transparent or outside the frame
// has the palette's colour of the transparent index (of index 0 where there is none). The decoder of the standard
// library has lost that colour, so it is read from the file again.
func decodeGIF(r io.Reader, data []byte, w, h int) (image.Image, error) {
	m, err := gif.Decode(r)
	if err != nil {
		return nil, err
	}
	frame, ok := m.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("the first frame is a %T, not paletted", m)
	}
	colours, transparent := gifPalette(data)
	if transparent >= 0 && transparent < len(colours) && transparent < len(frame.Palette) {
		frame.Palette[transparent] = colours[transparent]
	}
	if frame.Rect == image.Rect(0, 0, w, h) {
		return frame, nil
	}
	screen := image.NewPaletted(image.Rect(0, 0, w, h), frame.Palette)
	if transparent > 0 {
		for i := range screen.Pix {
			screen.Pix[i] = uint8(transparent)
		}
	}
	b := frame.Rect
	for y := b.Min.Y; y < b.Max.Y; y++ {
		copy(screen.Pix[screen.PixOffset(b.Min.X, y):], frame.Pix[frame.PixOffset(b.Min.X, y):frame.PixOffset(b.Max.X-1, y)+1])
	}
	return screen, nil
}

// gifPalette returns the colour table of the first frame and its transparent index, -1 if it has none (GIF89a, sections
// 18 to 23).
func gifPalette(data []byte) (colours color.Palette, transparent int) {
	const screen, extension, descriptor, control, tableFlag = 13, 0x21, 0x2c, 0xf9, 0x80
	transparent = -1
	if len(data) < screen {
		return nil, transparent
	}
	at := screen
	table := func(flags byte) {
		if flags&tableFlag == 0 {
			return
		}
		n := 3 << (flags&7 + 1)
		if at+n > len(data) {
			return
		}
		colours = colours[:0]
		for c := data[at : at+n]; len(c) >= 3; c = c[3:] {
			colours = append(colours, color.RGBA{R: c[0], G: c[1], B: c[2], A: 255})
		}
		at += n
	}
	table(data[10])
	for at+10 <= len(data) {
		switch data[at] {
		case descriptor:
			flags := data[at+9]
			at += 10
			table(flags)
			return colours, transparent
		case extension:
			if data[at+1] == control && data[at+2] == 4 {
				transparent = -1
				if data[at+3]&1 != 0 {
					transparent = int(data[at+6])
				}
			}
			for at += 2; at < len(data) && data[at] != 0; at += 1 + int(data[at]) {
			}
			at++
		default:
			return colours, transparent
		}
	}
	return colours, transparent
}
