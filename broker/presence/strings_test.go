package presence

import (
	"encoding/json"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestJSONStrings compares the three writers of JSON strings. Each has its reason: this
// one does not escape <, > and &, that of transport is fast for ticks, and that of wordpress
// writes the same bytes as PHP. None of the packages may import another one.
func TestJSONStrings(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"empty", ""},
		{"ASCII", "Hello, world"},
		{"quotes and backslashes", `"a\b"`},
		{"slashes", "https://example.org/"},
		{"HTML", "<b>&amp;</b>"},
		{"controls", "\x00\x01\b\t\n\f\r\x1f\x7f"},
		{"accents", "Zoë Müller"},
		{"beyond the basic plane", "a😀b"},
		{"line separators", "a\u2028b\u2029c"},
		{"a long text", "0123456789abcdef0123456789\"ü"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, b := range map[string][]byte{
				"presence":  appendString(nil, c.text),
				"transport": transport.AppendString(nil, c.text),
				"wordpress": wordpress.AppendString(nil, c.text),
			} {
				var got string
				if err := json.Unmarshal(b, &got); err != nil || got != c.text {
					t.Errorf("%s writes %s, which is read as %q, %v", name, b, got, err)
				}
			}
		})
	}
}
