package wordpress

import "unicode/utf8"

// scrub returns a copy of v in which every string and key is UTF-8. It returns an error if v
// is nested deeper than maxJSONDepth.
func scrub(v any, depth int) (any, error) {
	if depth > maxJSONDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case string:
		return scrubString(v), nil
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = scrubString(s)
		}
		return list, nil
	case *Array:
		array := NewArray()
		for name, value := range v.All() {
			clean, err := scrub(value, depth+1)
			if err != nil {
				return nil, err
			}
			array.Set(scrubString(name), clean)
		}
		return array, nil
	}
	return v, nil
}

// scrubString replaces every maximal part of s that cannot begin a character with one "?".
func scrubString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			size = badPrefix(s)
			out = append(out, '?')
		} else {
			out = append(out, s[:size]...)
		}
		s = s[size:]
	}
	return string(out)
}

// badPrefix returns the length of the longest prefix of s that could begin a character, at
// least 1. Go counts each of its bytes as an error, the Unicode standard and PHP count them
// as one.
func badPrefix(s string) int {
	size := 1
	for size < min(len(s), 3) && !utf8.FullRuneInString(s[:size+1]) {
		size++
	}
	return size
}
