package wordpress

// SanitizeKey is WordPress's sanitize_key: lower case, and only a-z, 0-9, "_"
// and "-" remain.
func SanitizeKey(s string) string {
	if isKey(s) {
		return s
	}
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if inKey(c) {
			out = append(out, c)
		}
	}
	return string(out)
}

func isKey(s string) bool {
	for _, c := range []byte(s) {
		if !inKey(c) {
			return false
		}
	}
	return true
}

func inKey(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-' }

// Empty is PHP's empty() for a value that an [Array] may hold.
func Empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || v == "0"
	case int:
		return v == 0
	case int64:
		return v == 0
	case uint64:
		return v == 0
	case float64:
		return v == 0
	case []string:
		return len(v) == 0
	case *Array:
		return v.Len() == 0
	}
	return false
}
