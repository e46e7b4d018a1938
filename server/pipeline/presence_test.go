package pipeline

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestCleanText checks cleanText, and that isClean agrees with it.
func TestCleanText(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " ": "", "Hello": "Hello", "a  b": "a b", " a": "a", "a ": "a", "a\tb\x00": "a b", "<b>x</b>": "x",
		"a > b": "a > b", "Zoë": "Zoë", "\xff": "", "\x7f": "",
		strings.Repeat("x", 200): strings.Repeat("x", 191),
	} {
		if got := cleanText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	clean := 0
	for range 20_000 {
		var b strings.Builder
		for range r.IntN(6) {
			b.WriteString([]string{"a", " ", ">", "~", "<", "\x7f", "é", "&"}[r.IntN(8)])
		}
		if s := b.String(); isClean(s) {
			clean++
			if got := cleanText(s + "\n"); got != s { // the newline makes cleanText use its slow path
				t.Errorf("%q becomes %q", s, got)
			}
		}
	}
	if clean == 0 {
		t.Error("isClean returned true for no text")
	}
}
