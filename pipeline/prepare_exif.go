package pipeline

import (
	"encoding/binary"
	"image"
)

// orientation is the EXIF tag 0x0112 (CIPA DC-008, 4.6.4): 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 flipped,
// 5 transposed, 6 to be turned clockwise, 7 transposed over the other diagonal, 8 to be turned counter-clockwise.
type orientation int

// exifIntro stands before the TIFF structure in a JPEG's APP1 segment, and by mistake in some WebP files.
const exifIntro = "Exif\x00\x00"

// orientationOf reads the tag from the first directory of a TIFF structure. EXIF that is missing, broken or out of
// range counts as upright: cameras and editors write a lot of it, and viewers show those pictures as they are.
func orientationOf(tiff []byte) orientation {
	const upright, tag, short, long = 1, 0x0112, 3, 4
	var order binary.ByteOrder
	switch {
	case hasMagic(tiff, "II*\x00") && len(tiff) >= 8:
		order = binary.LittleEndian
	case hasMagic(tiff, "MM\x00*") && len(tiff) >= 8:
		order = binary.BigEndian
	default:
		return upright
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return upright
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return upright
		}
		if order.Uint16(entries) == tag {
			var value uint32
			switch order.Uint16(entries[2:]) {
			case short:
				value = uint32(order.Uint16(entries[8:]))
			case long:
				value = order.Uint32(entries[8:])
			}
			if value >= 1 && value <= 8 {
				return orientation(value)
			}
			return upright
		}
		entries = entries[12:]
	}
	return upright
}

// pngExif returns the content of the eXIf chunk, which may stand before or after the pixels; nil if there is none.
func pngExif(data []byte) []byte {
	for at := 8; at+12 <= len(data); {
		size, kind := int64(binary.BigEndian.Uint32(data[at:])), string(data[at+4:at+8])
		if size > int64(len(data)-at-12) || kind == "IEND" {
			return nil
		}
		if kind == "eXIf" {
			return data[at+8 : at+8+int(size)]
		}
		at += 12 + int(size)
	}
	return nil
}

// webpExif returns the content of the EXIF chunk of a WebP file; nil if there is none.
func webpExif(data []byte) []byte {
	for at := 12; at+8 <= len(data); {
		size, kind := int64(binary.LittleEndian.Uint32(data[at+4:])), string(data[at:at+4])
		if size > int64(len(data)-at-8) {
			return nil
		}
		body := data[at+8 : at+8+int(size)]
		if kind == "EXIF" {
			if hasMagic(body, exifIntro) {
				body = body[len(exifIntro):]
			}
			return body
		}
		at += 8 + int(size) + int(size&1)
	}
	return nil
}

// swaps says whether the upright picture has the stored one's width as its height.
func (o orientation) swaps() bool { return o >= 5 }

// source returns the stored pixel that the upright picture shows at (x, y); w and h are the stored size.
func (o orientation) source(x, y, w, h int) (int, int) {
	switch o {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return y, h - 1 - x
	case 7:
		return w - 1 - y, h - 1 - x
	case 8:
		return w - 1 - y, x
	}
	return x, y
}

// stored returns the rectangle of the stored picture, w x h, that becomes box of the upright one.
func (o orientation) stored(box image.Rectangle, w, h int) image.Rectangle {
	x0, y0 := o.source(box.Min.X, box.Min.Y, w, h)
	x1, y1 := o.source(box.Max.X-1, box.Max.Y-1, w, h)
	return image.Rect(min(x0, x1), min(y0, y1), max(x0, x1)+1, max(y0, y1)+1)
}

// turn returns the picture upright; one that is upright already is returned as it is.
func (o orientation) turn(m Image) Image {
	if o <= 1 {
		return m
	}
	w, h := m.Width, m.Height
	if o.swaps() {
		w, h = h, w
	}
	out := Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	dx, dy := o.source(1, 0, m.Width, m.Height) // the mapping is affine: one step right is the same step everywhere
	ox, oy := o.source(0, 0, m.Width, m.Height)
	step := 3 * ((dy-oy)*m.Width + dx - ox)
	at := 0
	for y := range h {
		sx, sy := o.source(0, y, m.Width, m.Height)
		from := 3 * (sy*m.Width + sx)
		for range w {
			out.Pix[at], out.Pix[at+1], out.Pix[at+2] = m.Pix[from], m.Pix[from+1], m.Pix[from+2]
			at += 3
			from += step
		}
	}
	return out
}
