package transport

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "é😀", "\xff", `{"a":"\u00e9"}`, "\u2028", "<b>&", "\xf8\x960", "1234567\x00", "1234567é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, encoded, err)
		}
		if want := string([]rune(s)); got != want { // U+FFFD for each invalid byte
			t.Errorf("%q is decoded as %q, want %q", s, got, want)
		}
		if twice := AppendString([]byte("x"), []byte(s)); string(twice) != "x"+string(encoded) {
			t.Errorf("AppendString of bytes: %s, of a string: %s", twice, encoded)
		}
	})
}

// TestPlain checks each ASCII byte at each position of a string.
func TestPlain(t *testing.T) {
	for c := range 128 {
		for at := range 20 {
			s := bytes.Repeat([]byte("x"), 20)
			s[at] = byte(c)
			if want := c >= 0x20 && c != '"' && c != '\\'; allPlain(s) != want {
				t.Fatalf("allPlain(%q) = %v", s, !want)
			}
			var back string
			if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != string(s) {
				t.Fatalf("%q is decoded as %q, %v", s, back, err)
			}
			s[at] |= 0x80
			if allPlain(s) {
				t.Fatalf("allPlain(%q) = true", s)
			}
		}
	}
}
