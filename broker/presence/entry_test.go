package presence

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestNormalizeRoundTrip checks that a normalized value is encoded as encoding/json does,
// and that decoding returns the same value.
func TestNormalizeRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	pieces := []string{"a", "é", "🦊", "\u2028", "\u2029", "\xff", "\xe2\x80", `"`, `\`, "\n", "\x00", "\x7f", "<&>", "/"}
	text := func() (s string) {
		for range r.IntN(6) {
			s += pieces[r.IntN(len(pieces))]
		}
		return s
	}
	data := []string{"", "{}", ` { "a" : [ 1, "<\u00e9&>" ] } `, "{\"b\":\"\u2028\"}", "{\"c\":\"é\"}"}
	var last *Stored
	for range 5000 {
		k := Key{"site", text(), text(), "a"}
		s := Stored{Entry: Entry{
			UserID: r.Int64() - 1<<62, DisplayName: text(), AvatarURL: text(),
			Data: json.RawMessage(data[r.IntN(len(data))]), DateGMT: text(),
			Idle: Activity(r.IntN(3)), ExpiresGMT: text(),
		}, FocusedAt: r.Int64N(1 << 50), Held: r.IntN(2) == 0}
		if title := text(); r.IntN(2) == 0 {
			s.PostTitle = &title
		}
		normalized, err := Normalize(k, s, "node", last)
		if err != nil {
			t.Fatal(err)
		}
		s.Room, s.ClientID, s.Node = k.Room, k.ClientID, "node"
		if len(s.Data) == 0 {
			s.Data = json.RawMessage("{}")
		}
		var value bytes.Buffer
		e := json.NewEncoder(&value)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(value.String(), "\n")
		want = strings.ReplaceAll(want, `\ufffd`, "\ufffd") // encoding/json escapes invalid bytes, appendJSON does not
		if got := string(normalized.appendJSON(nil)); got != want || len(got) > normalized.size(6) {
			t.Fatalf("%d bytes, at most %d: %s\nwant %s", len(got), normalized.size(6), got, want)
		}
		read := new(Stored)
		if err := json.Unmarshal([]byte(want), read); err != nil || !reflect.DeepEqual(read, normalized) {
			t.Fatalf("normalized %+v, read %+v, %v", normalized, read, err)
		}
		last = normalized
	}
}

// TestNormalizeSharesMemory checks that fields equal to the last value's share its memory.
func TestNormalizeSharesMemory(t *testing.T) {
	k, s := benchStored()
	first, err := Normalize(k, s, "node", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Data, s.DisplayName = bytes.Clone(s.Data), strings.Clone(s.DisplayName)
	s.DateGMT = "2026-11-23 05:20:15"
	again, err := Normalize(k, s, "node", first)
	if err != nil || &again.Data[0] != &first.Data[0] || again.DateGMT != s.DateGMT {
		t.Errorf("%+v, %v", again, err)
	}
	if allocs := testing.AllocsPerRun(100, func() { _, _ = Normalize(k, s, "node", first) }); allocs != 1 { // the copy
		t.Errorf("%v allocations, want 1", allocs)
	}
	s.Data = json.RawMessage(`{"screen": "posts"}`)
	if other, err := Normalize(k, s, "node", first); err != nil || string(other.Data) != `{"screen":"posts"}` {
		t.Errorf("%+v, %v", other, err)
	}
}
