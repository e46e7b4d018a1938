package pushtransport

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// manyPages is how many pages beat at once because of a push. The beats of more are spread,
	// 10 ms for each, over at most maxChangesSpread.
	manyPages        = 20
	maxChangesSpread = 700 * time.Millisecond
)

// Changed is the news that rooms have changed, for so many pages.
func Changed(rooms []string, pages int) News {
	spread := min(time.Duration(max(0, pages-manyPages))*10*time.Millisecond, maxChangesSpread)
	return News{Rooms: rooms, SpreadMS: int(spread.Milliseconds())}
}

// Removed has the rooms in which PHP has removed the row of a user's pages, by user.
type Removed map[int64][]string

// RemovedRows returns the rows of users that PHP has removed.
func RemovedRows(rooms ...message.RoomState) Removed {
	removed := make(Removed)
	for _, r := range rooms {
		for _, id := range r.Removed {
			if user, ok := RowUser(r.Room, id); ok && !slices.Contains(removed[user], r.Room) {
				removed[user] = append(removed[user], r.Room)
			}
		}
	}
	return removed
}

// Of returns the rooms in which a page of a user can write the removed row again. In the room of a
// post this is an editor of that post.
func (r Removed) Of(user int64, page *ticket.Claims) (rooms []string) {
	for _, room := range r[user] {
		if room == wordpress.AdminRoom || page != nil && page.Post != nil && page.Post.Room() == room {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// Held is the news that rows are held, or no longer.
func Held(holds bool) News { return News{Holds: &holds} }

// News is what a push tells the plugin's script about the rooms of the Presence API
// plugin.
type News struct {
	Rooms    []string `json:"rooms,omitempty"`
	SpreadMS int      `json:"spread_ms,omitempty"` // the time over which pages beat
	Holds    *bool    `json:"holds,omitempty"`     // whether heartbeatd holds the rows of the page
}

// Frame writes a push with such news.
func (n News) Frame() []byte {
	var frame struct {
		Type string `json:"type"`
		Data struct {
			Heartbeatd struct {
				Presence News `json:"presence"`
			} `json:"heartbeatd"`
		} `json:"data"`
	}
	frame.Type = "push"
	frame.Data.Heartbeatd.Presence = n
	b, _ := json.Marshal(frame) // strings and numbers cannot fail
	return b
}
