package room

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// onlineWithoutCache writes presence-online without a cache.
func onlineWithoutCache(t *testing.T, entries []presence.Entry) string {
	t.Helper()
	list := wordpress.NewArray()
	for _, e := range entries {
		if e.UserID == 0 {
			continue
		}
		var data struct {
			Screen any
			Label  string `json:"screen_label"`
		}
		_ = json.Unmarshal(e.Data, &data)
		if data.Screen == nil {
			data.Screen = ""
		}
		a := wordpress.NewArray()
		a.Set("user_id", e.UserID)
		a.Set("display_name", e.DisplayName)
		a.Set("avatar_url", e.AvatarURL)
		a.Set("screen", fmt.Sprint(data.Screen))
		a.Set("screen_label", data.Label)
		a.Set("date_gmt", e.DateGMT)
		if e.Idle != presence.Unreported {
			a.Set("idle", e.Idle == presence.Idle)
		}
		list.Append(a)
	}
	b, err := wordpress.AppendJSON(nil, list)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOnlineListIsCurrent changes the entries of a list at random. The cached JSON must
// never be out of date, and the cache must not exceed its limit.
func TestOnlineListIsCurrent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"", "Ed", "a/b", `"\`, "Zoë 😀", "bad \xff\xc3", "\u2028<b>&\x00", "2026-11-23 05:20:00"}
	text := func() string { return texts[r.IntN(len(texts))] }
	data := func() json.RawMessage {
		switch r.IntN(4) {
		case 0:
			return json.RawMessage(`{}`)
		case 1:
			return json.RawMessage(`{"screen":7}`)
		}
		b, _ := json.Marshal(map[string]string{"screen": text(), "screen_label": text()})
		return b
	}
	var o OnlineList
	var entries []presence.Entry
	for step := range 3000 {
		entries = slices.Clone(entries) // as a view does
		switch i := r.IntN(max(1, len(entries))); {
		case len(entries) < 5 || len(entries) < 200 && r.IntN(3) == 0:
			id := r.IntN(2000)
			entries = append(entries, presence.Entry{
				ClientID: fmt.Sprint(id), UserID: int64(id % 20), DisplayName: text(), AvatarURL: text(), Data: data(), DateGMT: text(),
			})
		case r.IntN(5) == 0:
			entries = slices.Delete(entries, i, i+1)
		case r.IntN(2) == 0:
			entries[i].DateGMT = text()
		default:
			e := &entries[i]
			switch r.IntN(5) {
			case 0:
				e.UserID++
			case 3:
				e.Idle = presence.Activity(r.IntN(3))
			case 1:
				e.DisplayName = text()
			case 2:
				e.AvatarURL = text()
			default:
				e.Data = data()
			}
		}
		if got, want := string(o.Encode(entries)), onlineWithoutCache(t, entries); got != want {
			t.Fatalf("step %d: of %d entries\n%s\nwant\n%s", step, len(entries), got, want)
		}
		if len(o.prefixes) > maxPrefixes {
			t.Fatalf("the cache has %d entries, want at most %d", len(o.prefixes), maxPrefixes)
		}
	}
	if len(o.prefixes) == 0 {
		t.Error("the cache is empty")
	}
	if got := string(o.Encode(nil)); got != "[]" {
		t.Errorf("an empty list is %s", got)
	}
}

// TestLongScreenIsCut checks that the data of an entry cannot make ticks large.
func TestLongScreenIsCut(t *testing.T) {
	long, _ := json.Marshal(map[string]string{"screen": strings.Repeat("é", 5000), "screen_label": strings.Repeat("x", 191)})
	var o OnlineList
	var list []map[string]any
	if err := json.Unmarshal(o.Encode([]presence.Entry{{ClientID: "user-1", UserID: 1, Data: long}}), &list); err != nil {
		t.Fatal(err)
	}
	if got := list[0]["screen"]; got != strings.Repeat("é", 191) {
		t.Errorf("the screen is %v", got)
	}
	if got := list[0]["screen_label"]; got != strings.Repeat("x", 191) {
		t.Errorf("the label is %v", got)
	}
}

// TestOnlineListHasText checks that a screen that is no text is as in the lists of PHP and of the
// drop-in, whose test has the same values.
func TestOnlineListHasText(t *testing.T) {
	for data, want := range map[string]string{
		`{"screen":7}`: "7", `{"screen":-1.5}`: "-1.5", `{"screen":0}`: "0", `{"screen":"7"}`: "7", `{"screen":true}`: "", `{"screen":null}`: "", `{"screen":{"a":1}}`: "",
	} {
		var list []map[string]any
		if err := json.Unmarshal(new(OnlineList).Encode([]presence.Entry{{UserID: 1, Data: json.RawMessage(data)}}), &list); err != nil {
			t.Fatal(err)
		}
		if got := list[0]["screen"]; got != want {
			t.Errorf("of %s the screen is %#v, want %q", data, got, want)
		}
	}
}
