package wordpress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth is the depth of nested arrays that wp_json_encode writes.
const maxJSONDepth = 512

var (
	errInvalidUTF8 = errors.New("string is not UTF-8")
	errNotFinite   = errors.New("number is infinite or not a number")
	errTooDeep     = errors.New("arrays are nested more than 512 deep")
)

// Encoded is JSON that AppendJSON has written. AppendJSON appends it unchanged.
type Encoded []byte

// AppendJSON appends v to dst as wp_json_encode and wp_send_json write it:
// slashes and everything beyond ASCII escaped, an array with the keys 0, 1, 2,
// … as a list, any other as an object, an empty one as [].
//
// v is a nil, bool, string, int, int64, uint64, float64, []string, *Array, Encoded or
// json.RawMessage, and arrays have values of these types. An integer that is too large for
// PHP is written as a float. A json.RawMessage is written as PHP writes it after decoding it
// to arrays, so {} becomes [] and numbers are normalised.
//
// Bytes that are not UTF-8 become "?", as with the mbstring extension, which
// WordPress recommends. The error says why there is no JSON, in which case PHP
// writes nothing: a number that is not finite, nesting deeper than 512, a
// json.RawMessage that is not JSON, or a value of another type. dst is then
// returned as it was.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	out, err := appendJSON(dst, v, 0)
	if errors.Is(err, errInvalidUTF8) {
		if v, err = scrub(v, 0); err == nil {
			out, err = appendJSON(dst, v, 0)
		}
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case uint64:
		if v > math.MaxInt64 {
			return appendFloat(dst, float64(v))
		}
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v)
	case []string:
		return appendStrings(dst, v, depth+1)
	case *Array:
		return appendArray(dst, v, depth+1)
	case Encoded:
		return append(dst, v...), nil
	case json.RawMessage:
		decoded, err := decodeJSON(v)
		if err != nil {
			return nil, err
		}
		return appendJSON(dst, decoded, depth)
	}
	return nil, fmt.Errorf("type %T is not supported", v)
}

func appendStrings(dst []byte, list []string, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, errTooDeep
	}
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendString(dst, s); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendArray(dst []byte, a *Array, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, errTooDeep
	}
	if a.Len() == 0 {
		return append(dst, "[]"...), nil
	}
	open, end := byte('{'), byte('}')
	list := a.isList()
	if list {
		open, end = '[', ']'
	}
	for _, e := range a.entries {
		dst = append(dst, open)
		open = ','
		var err error
		if !list {
			if dst, err = appendString(dst, e.key); err != nil {
				return nil, err
			}
			dst = append(dst, ':')
		}
		if dst, err = appendJSON(dst, e.value, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, end), nil
}

// shortEscapes are the characters that follow the backslash.
var shortEscapes = [utf8.RuneSelf]byte{
	'"': '"', '\\': '\\', '/': '/', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't',
}

// AppendString appends a string as AppendJSON does.
func AppendString(dst []byte, s string) []byte {
	out, err := appendString(dst, s)
	if err != nil {
		out, _ = appendString(dst, scrubString(s)) // which is UTF-8
	}
	return out
}

func appendString(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	for {
		n := plainPrefix(s)
		dst, s = append(dst, s[:n]...), s[n:]
		if s == "" {
			return append(dst, '"'), nil
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r < utf8.RuneSelf && shortEscapes[r] != 0:
			dst = append(dst, '\\', shortEscapes[r])
		case r == utf8.RuneError && size == 1: // not a U+FFFD that was written
			return nil, errInvalidUTF8
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			dst = appendUnit(appendUnit(dst, high), low)
		default:
			dst = appendUnit(dst, r)
		}
		s = s[size:]
	}
}

// plainPrefix returns the number of leading bytes that need no escape.
func plainPrefix(s string) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || shortEscapes[c] != 0 {
			return i
		}
	}
	return len(s)
}

// appendUnit appends a UTF-16 code unit.
func appendUnit(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// appendFloat appends the shortest digits that are parsed as f, in PHP's format.
func appendFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, errNotFinite
	}
	if size := math.Abs(f); size == 0 || 1e-4 <= size && size < 1e17 {
		return strconv.AppendFloat(dst, f, 'f', -1, 64), nil
	}
	var buf [32]byte
	digits, exponent, _ := bytes.Cut(strconv.AppendFloat(buf[:0], f, 'e', -1, 64), []byte{'e'})
	dst = append(dst, digits...)
	// PHP writes 1.0e+25 where Go writes 1e+25.
	if last := len(digits) - 2; last < 0 || last == 0 && digits[0] == '-' {
		dst = append(dst, ".0"...)
	}
	dst = append(dst, 'e', exponent[0])
	// And 1.0e-5 where Go writes 1e-05.
	if exponent[1] == '0' {
		return append(dst, exponent[2:]...), nil
	}
	return append(dst, exponent[1:]...), nil
}
