package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// AppendString appends s as a JSON string. Ticks are ASCII with few escapes, so copying
// eight bytes at a time is faster than encoding/json, which decodes every rune twice.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	return appendQuoted(dst, []byte(s))
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		n := plainOf(w)
		dst = binary.LittleEndian.AppendUint64(dst, w)[:len(dst)+n]
		s = s[n:]
		if n == 8 {
			continue
		}
		if s[0] >= utf8.RuneSelf {
			return appendSlow(dst, string(s))
		}
		dst = appendEscaped(dst, s[0])
		s = s[1:]
	}
	for i, c := range s {
		switch {
		case c >= utf8.RuneSelf:
			return appendSlow(dst, string(s[i:]))
		case isPlain(c):
			dst = append(dst, c)
		default:
			dst = appendEscaped(dst, c)
		}
	}
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// isPlain reports whether a byte is ASCII and needs no escape in a JSON string.
func isPlain(c byte) bool {
	return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\'
}

// plainOf returns the number of plain bytes before the first byte that is not plain, of the
// eight bytes in w. Each term sets the high bit of the bytes that it looks for. A borrow may
// set bits of later bytes, never of earlier ones.
func plainOf(w uint64) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^low*'"', w^low*'\\'
	control := (w - low*0x20) &^ w
	found := (w | control | (quote-low)&^quote | (slash-low)&^slash) & high
	return bits.TrailingZeros64(found) / 8
}

// allPlain reports whether all bytes of s are plain.
func allPlain(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if plainOf(binary.LittleEndian.Uint64(s)) < 8 {
			return false
		}
	}
	for _, c := range s {
		if !isPlain(c) {
			return false
		}
	}
	return true
}

// appendSlow appends the rest of a string that is not ASCII with encoding/json, which
// replaces invalid UTF-8.
func appendSlow(dst []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	b := bytes.TrimRight(buf.Bytes(), "\n")
	return append(dst, b[1:]...)
}
