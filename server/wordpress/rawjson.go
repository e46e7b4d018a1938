package wordpress

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

var errNotJSON = errors.New("raw message is not JSON")

// decodeJSON parses raw as PHP's json_decode does with arrays for objects. It refuses
// literals in upper case, which PHP accepts against the standard.
func decodeJSON(raw json.RawMessage) (any, error) {
	if !json.Valid(raw) || !utf8.Valid(raw) || hasLoneSurrogate(raw) {
		return nil, errNotJSON
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return decodeValue(decoder, 0)
}

func decodeValue(decoder *json.Decoder, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		return decodeNumber(token.String()), nil
	case json.Delim:
		// Unlike json_encode, json_decode counts the innermost value.
		if depth == maxJSONDepth-1 {
			return nil, errTooDeep
		}
		return decodeArray(decoder, token == '{', depth+1)
	}
	return token, nil
}

func decodeArray(decoder *json.Decoder, object bool, depth int) (*Array, error) {
	array := NewArray()
	for decoder.More() {
		var name string
		if object {
			token, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			name, _ = token.(string)
		}
		value, err := decodeValue(decoder, depth)
		if err != nil {
			return nil, err
		}
		array.put(key{name: name, append: !object}, value)
	}
	_, err := decoder.Token()
	return array, err
}

// decodeNumber returns an int64, or a float64 for a fraction, an exponent or
// an integer that is too large.
func decodeNumber(number string) any {
	if !strings.ContainsAny(number, ".eE") {
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			return n
		}
	}
	// PHP, too, reads a number that is too large as infinite.
	f, _ := strconv.ParseFloat(number, 64)
	return f
}

// hasLoneSurrogate reports whether valid JSON has a \u escape that is half of a UTF-16 pair.
// encoding/json would replace it, PHP refuses it.
func hasLoneSurrogate(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return false
		}
		unit, rest := cutEscape(raw[i:])
		if unit>>10 == 0xDC00>>10 {
			return true
		}
		if unit>>10 == 0xD800>>10 {
			if unit, rest = cutEscape(rest); unit>>10 != 0xDC00>>10 {
				return true
			}
		}
		raw = rest
	}
}

// cutEscape returns the code unit of the \u escape that s begins with, 0 if
// it begins with something else, and what follows.
func cutEscape(s []byte) (unit uint64, rest []byte) {
	switch {
	case len(s) < 2 || s[0] != '\\':
		return 0, s
	case s[1] != 'u':
		return 0, s[2:]
	}
	unit, _ = strconv.ParseUint(string(s[2:6]), 16, 16)
	return unit, s[6:]
}
