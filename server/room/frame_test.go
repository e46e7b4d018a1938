package room

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// frameOf returns the frame that a page gets of entries, as bytes and decoded.
func frameOf(t *testing.T, entries []presence.Entry) (size int, snapshot []presence.Entry) {
	t.Helper()
	r := &Room{name: "admin/online"}
	budget := largeBudget
	b := append(r.appendEntries(r.newFrame(len(entries)), "snapshot", entries, &budget), '}')
	var frame struct{ Snapshot []presence.Entry }
	if err := json.Unmarshal(b, &frame); err != nil {
		t.Fatal(err)
	}
	return len(b), frame.Snapshot
}

// TestFrameBudget writes the largest entries that a user, or four of them, can have. A frame
// must stay small, and the data of others must not be cut.
func TestFrameBudget(t *testing.T) {
	small := `{"screen":"post","screen_label":"Posts","title":"Hello","post_id":5}`
	for _, c := range []struct {
		name    string
		hostile string
		count   int
		most    int // bytes
	}{
		{"long label", `{"screen_label":"` + strings.Repeat("x", 10_000) + `"}`, 50, 32 << 10},
		{"other member", `{"x":"` + strings.Repeat("x", 10_000) + `"}`, 50, 96 << 10},
		{"escaped", `{"x":"` + strings.Repeat("<", 10_000) + `"}`, 50, 96 << 10},
		{"four users", `{"x":"` + strings.Repeat("x", 10_000) + `"}`, 199, 128 << 10},
		{"texts", `{"screen":"` + strings.Repeat("😀", 800) + `","screen_label":"` + strings.Repeat("😀", 800) + `","title":"` + strings.Repeat("😀", 800) + `"}`, 199, 320 << 10},
		{"small", `{"x":"` + strings.Repeat("x", 480) + `"}`, 199, 192 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			var entries []presence.Entry
			for i := range c.count {
				entries = append(entries, presence.Entry{ClientID: fmt.Sprint("x", i), UserID: 2, Data: json.RawMessage(c.hostile), DateGMT: "2026-01-01 00:00:00"})
			}
			entries = append(entries, presence.Entry{ClientID: "user-1", UserID: 1, DisplayName: "Ada", Data: json.RawMessage(small), DateGMT: "2026-01-01 00:00:00"})
			size, snapshot := frameOf(t, entries)
			if size > c.most {
				t.Errorf("%d bytes, want at most %d", size, c.most)
			}
			if len(snapshot) != len(entries) {
				t.Fatalf("%d entries, want %d", len(snapshot), len(entries))
			}
			if got := string(snapshot[len(snapshot)-1].Data); got != small {
				t.Errorf("another's data is %s", got)
			}
		})
	}
}

// TestLongName writes an entry as anybody who may write to NATS can.
func TestLongName(t *testing.T) {
	size, _ := frameOf(t, []presence.Entry{{ClientID: "a", DisplayName: strings.Repeat("x", 10_000), AvatarURL: strings.Repeat("x", 10_000), Data: json.RawMessage(`{}`)}})
	if size > 512 {
		t.Errorf("a frame of %d bytes", size)
	}
}

// TestOptionalMembers checks that frames stay JSON with all members of an entry, and that pages
// get no member that is only for nodes.
func TestOptionalMembers(t *testing.T) {
	title := "The post's title"
	for _, data := range []string{`{}`, `{"x":"` + strings.Repeat("x", largeBudget) + `"}`} {
		e := presence.Entry{
			ClientID: "a", Data: json.RawMessage(data), DateGMT: "2026-01-01 00:00:00",
			Idle: presence.Idle, ExpiresGMT: "2026-01-01 00:10:00", PostTitle: &title,
		}
		_, snapshot := frameOf(t, []presence.Entry{e, {ClientID: "b", Data: json.RawMessage(`{}`), DateGMT: e.DateGMT}})
		if len(snapshot) != 2 {
			t.Fatalf("%d entries, want 2", len(snapshot))
		}
		if got := snapshot[0]; got.DateGMT != e.DateGMT || got.Idle != e.Idle || got.PostTitle != nil || got.ExpiresGMT != "" {
			t.Errorf("a page gets %+v", got)
		}
	}
}

// TestCutData checks that a page is told that an entry's data was cut.
func TestCutData(t *testing.T) {
	large := presence.Entry{ClientID: "a", Data: json.RawMessage(`{"screen":"post","x":"` + strings.Repeat("x", 600) + `"}`)}
	p := framePrefix(large)
	if !strings.Contains(string(p.text), `"xxx`) || strings.Contains(string(p.text), "data_cut") {
		t.Errorf("in full: %.80s", p.text)
	}
	if want := `{"data_cut":true,"client_id":"a","user_id":0,"display_name":"","avatar_url":"","data":{"screen":"post"},"date_gmt":`; string(p.short) != want {
		t.Errorf("in short: %s, want %s", p.short, want)
	}
}
