package pipeline

import "encoding/binary"

// jpegScan is what the marker segments of a JPEG say about the cost of decoding it, and its EXIF.
type jpegScan struct {
	progressive bool
	components  int
	samples     int64 // of all components, padded to whole MCUs
	scans       int
	exif        []byte // TIFF structure of the first EXIF segment; nil if there is none
}

// JPEG markers (ITU-T T.81, table B.1).
const (
	markerSOF0 = 0xc0
	markerSOF2 = 0xc2
	markerRST0 = 0xd0
	markerRST7 = 0xd7
	markerEOI  = 0xd9
	markerSOS  = 0xda
	markerAPP1 = 0xe1
)

// scanJPEG walks from marker to marker like image/jpeg does: over bytes that are no marker, over fill bytes, stuffed zeros
// and restarts. It stops where the bytes stop making sense, as the decoder will.
func scanJPEG(data []byte) jpegScan {
	var s jpegScan
	for at := 2; at+1 < len(data); {
		if data[at] != 0xff || data[at+1] == 0xff { // entropy-coded or stray data, or a fill byte
			at++
			continue
		}
		marker := data[at+1]
		at += 2
		if marker == 0 || marker >= markerRST0 && marker <= markerRST7 {
			continue
		}
		if marker == markerEOI || at+2 > len(data) {
			return s
		}
		end := at + int(binary.BigEndian.Uint16(data[at:]))
		if end < at+2 || end > len(data) {
			return s
		}
		s.segment(marker, data[at+2:end])
		at = end
	}
	return s
}

func (s *jpegScan) segment(marker byte, body []byte) {
	switch {
	case marker >= markerSOF0 && marker <= markerSOF2:
		s.progressive = marker == markerSOF2
		s.frame(body)
	case marker == markerSOS:
		s.scans++
	case marker == markerAPP1 && s.exif == nil && hasMagic(body, exifIntro):
		s.exif = body[len(exifIntro):]
	}
}

// frame adds up the samples of the components: each has its sampling factors' share of blocks in every MCU (T.81, A.2).
func (s *jpegScan) frame(body []byte) {
	if len(body) < 6 || len(body) < 6+3*int(body[5]) {
		return
	}
	height, width := int64(binary.BigEndian.Uint16(body[1:])), int64(binary.BigEndian.Uint16(body[3:]))
	s.components = int(body[5])
	var hmax, vmax, blocks int64 = 1, 1, 0
	for c := range s.components {
		h, v := int64(body[7+3*c]>>4), int64(body[7+3*c]&15)
		hmax, vmax, blocks = max(hmax, h), max(vmax, v), blocks+h*v
	}
	mcus := ceilDiv(width, 8*hmax) * ceilDiv(height, 8*vmax)
	s.samples = 64 * blocks * mcus
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
