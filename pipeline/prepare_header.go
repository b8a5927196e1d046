package pipeline

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"
)

// pictureHeader is what is known of a picture before any of its pixels are decoded.
type pictureHeader struct {
	format        string // "JPEG", "PNG", "WebP" or "GIF"
	width, height int    // as stored, before the orientation is applied
	orientation   orientation
	memory        int64 // bytes that decoding will take, estimated from above
	decode        func(io.Reader) (image.Image, error)
	scans         int  // of a JPEG
	narrow        bool // its YCbCr has the narrow range of video, as in WebP
}

// header names the format by its first bytes, asks its decoder for the size, and holds that against the caps. Only the
// four formats are tried: every further decoder is a way in.
func (p *Preparer) header(data []byte) (pictureHeader, error) {
	var h pictureHeader
	var err error
	switch r := bytes.NewReader(data); {
	case hasMagic(data, "\xff\xd8\xff"):
		h, err = jpegHeader(data)
	case hasMagic(data, "\x89PNG\r\n\x1a\n"):
		h = pictureHeader{format: "PNG", decode: png.Decode, orientation: orientationOf(pngExif(data))}
		err = h.measure(png.DecodeConfig(r))
		h.memory = h.area() * pngBytesPerPixel(data)
	case hasMagic(data, "RIFF") && len(data) >= 12 && string(data[8:12]) == "WEBP":
		h, err = webpHeader(data)
	case hasMagic(data, "GIF87a"), hasMagic(data, "GIF89a"):
		h = pictureHeader{format: "GIF", orientation: 1}
		err = h.measure(gif.DecodeConfig(r))
		h.decode = func(r io.Reader) (image.Image, error) { return decodeGIF(r, data, h.width, h.height) }
		h.memory = 2 * h.area()
	default:
		return h, refusal(ReasonUndecodable, "not a JPEG, PNG, WebP or GIF picture: %s", looksLike(data))
	}
	if err != nil {
		return h, refusal(ReasonUndecodable, "%s: %w", h.format, err)
	}
	if p.cfg.Exif == "ignore" {
		h.orientation = 1
	}
	return h, h.fits(p.cfg)
}

// Size returns the width and height in pixels that the picture has when it stands upright. Nothing of it is decoded but its
// header. Errors that the media is to blame for are *PrepareError.
func (p *Preparer) Size(data []byte) (width, height int, err error) {
	if err := p.identify(data, MediaRef{}); err != nil {
		return 0, 0, err
	}
	err = guardDecoder(func() error {
		h, err := p.header(data)
		width, height = h.upright()
		return err
	})
	return width, height, err
}

// fits holds the size against the caps. The area is computed in 64 bits: a header can name 65535x65535 or more.
func (h pictureHeader) fits(c PrepareConfig) error {
	switch {
	case h.width <= 0 || h.height <= 0:
		return refusal(ReasonUndecodable, "%s: its header says %dx%d", h.format, h.width, h.height)
	case h.width > c.MaxSide || h.height > c.MaxSide:
		return refusal(ReasonTooLarge, "%s of %dx%d: a side over prepare.max_side %d", h.format, h.width, h.height, c.MaxSide)
	case h.area() > c.MaxPixels:
		return refusal(ReasonTooLarge, "%s of %dx%d: more pixels than prepare.max_pixels %d", h.format, h.width, h.height, c.MaxPixels)
	case h.scans > c.MaxScans:
		return refusal(ReasonTooLarge, "%s of %d scans, more than prepare.max_scans %d", h.format, h.scans, c.MaxScans)
	}
	return nil
}

func (h pictureHeader) area() int64 { return int64(h.width) * int64(h.height) }

// upright returns the size after the orientation has been applied.
func (h pictureHeader) upright() (width, height int) {
	if h.orientation.swaps() {
		return h.height, h.width
	}
	return h.width, h.height
}

func (h *pictureHeader) measure(c image.Config, err error) error {
	h.width, h.height = c.Width, c.Height
	return err
}

func jpegHeader(data []byte) (pictureHeader, error) {
	s := scanJPEG(data)
	h := pictureHeader{format: "JPEG", decode: jpeg.Decode, scans: s.scans, orientation: orientationOf(s.exif), memory: s.samples}
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err := h.measure(c, err); err != nil {
		return h, err
	}
	if s.progressive {
		h.memory += 4 * s.samples // its coefficients are kept as int32 until the last scan
	}
	if c.ColorModel == color.RGBAModel || c.ColorModel == color.CMYKModel {
		h.memory += 4 * h.area() // the components are put together in another picture
	}
	return h, nil
}

// pngBytesPerPixel bounds what image/png allocates from the depth, colour type and interlacing in IHDR: 16 bit samples end in
// 8 bytes, palettes in 1, everything else in at most 4; interlacing holds the passes beside the picture.
func pngBytesPerPixel(data []byte) int64 {
	const depth, colour, interlace, palette = 24, 25, 28, 3
	if len(data) <= interlace {
		return 0 // then there is no picture either
	}
	bytes := int64(4)
	switch {
	case data[depth] == 16:
		bytes = 8
	case data[colour] == palette:
		bytes = 1
	}
	if data[interlace] != 0 {
		bytes *= 2
	}
	return bytes
}

func webpHeader(data []byte) (pictureHeader, error) {
	const flags, animation, alpha = 20, 1 << 1, 1 << 4
	h := pictureHeader{format: "WebP", decode: webp.Decode, orientation: orientationOf(webpExif(data))}
	kind := string(data[12:min(16, len(data))])
	extended := kind == "VP8X" && len(data) > flags
	if extended && data[flags]&animation != 0 {
		return h, fmt.Errorf("it is animated, and which of its frames was judged is unknown: send the frame itself")
	}
	if err := h.measure(webp.DecodeConfig(bytes.NewReader(data))); err != nil {
		return h, err
	}
	switch { // Macroblocks are 16x16; lossless decoding holds the picture up to three times while it undoes its transforms.
	case kind == "VP8 ":
		h.memory = 2 * int64(h.width+16) * int64(h.height+16)
	case extended && data[flags]&alpha == 0:
		h.memory = 12 * h.area() // may still be lossless
	default:
		h.memory = 14 * h.area()
	}
	h.narrow = true
	return h, nil
}

func hasMagic(data []byte, magic string) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

// looksLike names what the bytes are instead, for the person who has to find out how they got there.
func looksLike(data []byte) string {
	if len(data) == 0 {
		return "there are no bytes"
	}
	for _, k := range []struct {
		at          int
		magic, name string
	}{
		{4, "ftypheic", "HEIC"}, {4, "ftypmif1", "HEIF"}, {4, "ftypavif", "AVIF"}, {4, "ftyp", "MP4 video"}, {0, "II*\x00", "TIFF"},
		{0, "MM\x00*", "TIFF"}, {0, "BM", "BMP"}, {0, "\xff\x0a", "JPEG XL"}, {0, "\x00\x00\x00\x0cJXL ", "JPEG XL"},
		{0, "\x00\x00\x00\x0cjP  ", "JPEG 2000"}, {0, "\x1a\x45\xdf\xa3", "Matroska or WebM video"}, {0, "%PDF", "PDF"},
		{0, "<", "HTML, XML or SVG text"}, {0, "{", "JSON text"}, {0, "data:", "a data: URL, not yet decoded"},
		{0, "/9j/", "base64 text of a JPEG"}, {0, "iVBORw0KGgo", "base64 text of a PNG"},
	} {
		if len(data) > k.at && hasMagic(data[k.at:], k.magic) {
			return "it looks like " + k.name
		}
	}
	return fmt.Sprintf("it begins with % x", data[:min(len(data), 8)])
}
