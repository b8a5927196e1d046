package pipeline

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// escapeLen returns the length of the escape sequence at the start of b, 0 if it is none. A surrogate must come in a pair:
// half a character would be replaced silently, and two different ids would become one.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[1]) < 0 {
			return 0
		}
		return 2
	}
	r := hex4(b)
	switch {
	case r < 0:
		return 0
	case !utf16.IsSurrogate(r):
		return 6
	}
	if low := hex4(b[6:]); low < 0 || utf16.DecodeRune(r, low) == utf8.RuneError {
		return 0
	}
	return 12
}

// hex4 reads \uXXXX at the start of b; -1 if that is not there.
func hex4(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return -1
		}
	}
	return r
}

// unescape resolves the escapes of the inside of a string that the scanner has checked.
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' {
			out = append(out, b[i])
			i++
			continue
		}
		n := escapeLen(b[i:])
		switch n {
		case 2:
			out = append(out, plainEscape(b[i+1]))
		case 6:
			out = utf8.AppendRune(out, hex4(b[i:]))
		default:
			out = utf8.AppendRune(out, utf16.DecodeRune(hex4(b[i:]), hex4(b[i+6:])))
		}
		i += n
	}
	return out
}

func plainEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
