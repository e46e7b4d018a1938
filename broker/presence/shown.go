package presence

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// shownNames are the members of an entry's data that pages show as text.
var shownNames = []string{"screen", "screen_label", "title"}

// ShownData returns an entry's data for pages, without whitespace. Any user who may edit posts
// can write any data: a text that pages show has at most MaxName characters, and a value in
// its place that is no text and no number is left out.
func ShownData(data json.RawMessage) json.RawMessage {
	if isPlain(data) {
		return data
	}
	return writeShown(data, false, MaxName)
}

// ShortData returns only what pages show of an entry's data, with at most so many characters of
// each text.
func ShortData(data json.RawMessage, most int) json.RawMessage { return writeShown(data, true, most) }

// isPlain reports whether ShownData returns data unchanged. It returns false for some others
// too.
func isPlain(data []byte) bool {
	if bytes.IndexByte(data, '\\') >= 0 {
		return false
	}
	for _, name := range shownNames {
		mark := `"` + name + `":`
		for rest := data; ; {
			_, value, found := bytes.Cut(rest, []byte(mark))
			if !found {
				break
			}
			rest = value
			isNumber := len(value) > 0 && (value[0] == '-' || '0' <= value[0] && value[0] <= '9')
			end := bytes.IndexByte(bytes.TrimPrefix(value, []byte(`"`)), '"')
			if !isNumber && (len(value) == 0 || value[0] != '"' || end > MaxName) {
				return false
			}
		}
	}
	return true
}

// writeShown writes ShownData or ShortData.
func writeShown(data []byte, short bool, most int) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return json.RawMessage("{}")
	}
	out := []byte{'{'}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			break // not with data that was checked
		}
		text, _ := name.(string)
		if shown := slices.Contains(shownNames, text); shown {
			value = shownText(value, most)
		} else if short {
			value = nil
		}
		if value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(appendString(out, text), ':'), value...)
	}
	return append(out, '}')
}

// shownText returns a value that pages show, cut, or nil if it is no text and no number.
func shownText(value json.RawMessage, most int) json.RawMessage {
	switch c := value[0]; {
	case c == '"':
		var text string
		_ = json.Unmarshal(value, &text) // valid, since it was decoded
		if cut := Cut(text, most); len(cut) < len(text) {
			return appendString(nil, cut)
		}
		return value
	case (c == '-' || '0' <= c && c <= '9') && len(value) <= most:
		return value
	}
	return nil
}

// Cut returns the first characters of a text.
func Cut(text string, most int) string {
	n := 0
	for i := range text {
		if n == most {
			return strings.Clone(text[:i]) // not the whole text stays in memory
		}
		n++
	}
	return text
}
