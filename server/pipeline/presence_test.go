package pipeline

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestPingLabels checks which label the entry of a ping has: that of the ticket's screen,
// the title of a page of the site, or the screen's id as words.
func TestPingLabels(t *testing.T) {
	user := &hook.User{ScreenLabels: []hook.ScreenLabel{{Screen: "front", Label: "Website"}, {Screen: "post", Label: "Edit Post"}}}
	for _, c := range []struct{ screen, title, want string }{
		{"post", "", "Edit Post"},
		{"post", "Hello", "Edit Post"},
		{"my_tool", "", "My Tool"},
		{"front", "", "Website"},
		{"front", "About <i>us</i>", "About us"},
	} {
		ping := wordpress.NewArray()
		ping.Set("screen", c.screen)
		ping.Set("title", c.title)
		data := string(pingData(&hook.Call{User: user}, ping).JSON())
		if want := `"screen_label":"` + c.want + `"`; !strings.Contains(data, want) {
			t.Errorf("the screen %q with the title %q: %s, want %s", c.screen, c.title, data, want)
		}
	}
}

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
