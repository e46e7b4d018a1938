package wordpress

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// EscapeJSON returns valid JSON with the escapes that PHP's json_encode writes by default,
// and without white space between tokens. Numbers and the order of members stay as they
// are. raw must be valid UTF-8.
func EscapeJSON(raw json.RawMessage) Encoded {
	out := make(Encoded, 0, len(raw)+len(raw)/8)
	quoted := false
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case !quoted:
			if c == '"' {
				quoted = true
			}
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				out = append(out, c)
			}
		case c == '\\': // an escape, which is kept
			out = append(out, c, raw[i+1])
			i++
		case c == '/':
			out = append(out, '\\', '/')
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(raw[i:])
			out = appendUnicode(out, r)
			i += size
			continue
		default:
			quoted = c != '"'
			out = append(out, c)
		}
		i++
	}
	return out
}

// appendUnicode appends the \u escapes of a character.
func appendUnicode(out []byte, r rune) []byte {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return appendUnit(appendUnit(out, high), low)
	}
	return appendUnit(out, r)
}
