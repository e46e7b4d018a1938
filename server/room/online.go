package room

import (
	"encoding/json"
	"strconv"
	"sync"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// OnlineList is the JSON of presence-online in ticks. It is encoded once after each change.
type OnlineList struct {
	mu       sync.Mutex       // guards the following fields
	entries  []presence.Entry // the view's list; the view makes a new one after a change
	json     wordpress.Encoded
	prefixes prefixCache
}

// Encode returns the list of a view's entries.
func (o *OnlineList) Encode(entries []presence.Entry) wordpress.Encoded {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json != nil && len(o.entries) == len(entries) && (len(entries) == 0 || &o.entries[0] == &entries[0]) {
		return o.json
	}
	b := append(make([]byte, 0, len(o.json)+512), '[')
	for i := range entries {
		if entries[i].UserID == 0 {
			continue // of a back end, not of a person
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(b, o.prefixes.prefix(len(entries), &entries[i], onlinePrefix).text...)
		b = append(entries[i].Idle.AppendMember(wordpress.AppendString(b, entries[i].DateGMT)), '}')
	}
	o.entries, o.json = entries, append(b, ']')
	return o.json
}

// onlinePrefix writes an entry as presence-online has it, up to its date.
func onlinePrefix(e presence.Entry) prefix {
	var data struct {
		Screen      shownText `json:"screen"`
		ScreenLabel shownText `json:"screen_label"`
	}
	_ = json.Unmarshal(e.Data, &data) // entries of other services may have no screen
	a := wordpress.NewArray()
	a.Set("user_id", e.UserID)
	a.Set("display_name", e.DisplayName)
	a.Set("avatar_url", e.AvatarURL)
	a.Set("screen", presence.Cut(string(data.Screen), presence.MaxName))
	a.Set("screen_label", presence.Cut(string(data.ScreenLabel), presence.MaxName))
	b, _ := wordpress.AppendJSON(nil, a) // strings and numbers cannot fail
	return prefix{text: append(b[:len(b)-1], `,"date_gmt":`...)}
}

// shownText is a member of an entry's data that pages show: a text, or a number as text. Any other
// value is empty.
type shownText string

func (t *shownText) UnmarshalJSON(b []byte) error {
	var value any
	if err := json.Unmarshal(b, &value); err != nil {
		return err
	}
	switch value := value.(type) {
	case string:
		*t = shownText(value)
	case float64:
		*t = shownText(strconv.FormatFloat(value, 'f', -1, 64))
	}
	return nil
}
