package server

import (
	"encoding/json"
	"sync"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// online answers a presence-ping with the room.
func online(c *hook.Call) {
	if c.Data.Array("presence-ping").Len() == 0 || !c.User.EditPosts {
		return
	}
	list, listed, total, err := c.Presence.Online()
	if err != nil {
		return // no list, rather than an empty one
	}
	c.Response.Set("presence-online", list)
	if total > listed {
		c.Response.Set("presence-online-total", total)
	}
}

// onlineList is presence-online as it is written, good until the room changes.
type onlineList struct {
	mu    sync.Mutex
	of    []broker.Entry // the view's list, which is made anew when it changes
	json  wordpress.Encoded
	heads heads
}

func (o *onlineList) encode(entries []broker.Entry) wordpress.Encoded {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.json != nil && len(o.of) == len(entries) && (len(entries) == 0 || &o.of[0] == &entries[0]) {
		return o.json
	}
	o.heads.write = onlineHead
	b := append(make([]byte, 0, len(o.json)+512), '[')
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, o.heads.in(len(entries), &entries[i])...)
		b = append(entries[i].Idle.AppendMember(wordpress.AppendString(b, entries[i].DateGMT)), '}')
	}
	o.of, o.json = entries, append(b, ']')
	return o.json
}

// onlineHead is what presence-online says of somebody before the date.
func onlineHead(e broker.Entry) []byte {
	var data struct {
		Screen      string `json:"screen"`
		ScreenLabel string `json:"screen_label"`
	}
	_ = json.Unmarshal(e.Data, &data) // another service's entry may have no screen
	a := wordpress.NewArray()
	a.Set("user_id", e.UserID)
	a.Set("display_name", e.DisplayName)
	a.Set("avatar_url", e.AvatarURL)
	a.Set("screen", data.Screen)
	a.Set("screen_label", data.ScreenLabel)
	b, _ := wordpress.AppendJSON(nil, a) // strings and numbers cannot fail
	return append(b[:len(b)-1], `,"date_gmt":`...)
}
