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
		if want := string([]rune(s)); got != want { // a replacement character for each broken byte
			t.Errorf("%q came back as %q", s, got)
		}
		if twice := AppendString([]byte("x"), []byte(s)); string(twice) != "x"+string(encoded) {
			t.Errorf("as bytes: %s", twice)
		}
	})
}

// TestPlain finds each byte at each place, and escapes it there.
func TestPlain(t *testing.T) {
	for c := range 128 {
		for at := range 20 {
			s := bytes.Repeat([]byte("x"), 20)
			s[at] = byte(c)
			if want := c >= 0x20 && c != '"' && c != '\\'; allPlain(s) != want {
				t.Fatalf("%q: plain %v", s, !want)
			}
			var back string
			if err := json.Unmarshal(AppendString(nil, s), &back); err != nil || back != string(s) {
				t.Fatalf("%q came back as %q, %v", s, back, err)
			}
			s[at] |= 0x80
			if allPlain(s) {
				t.Fatalf("%q: plain", s)
			}
		}
	}
}
