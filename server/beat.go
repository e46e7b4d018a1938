package server

import (
	"context"
	"errors"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// beat is a call and what the server needs for its hooks: it is their hook.Presence.
type beat struct {
	hook.Call
	site    *site
	claims  *ticket.Claims   // nil on the demo site
	earlier []*ticket.Claims // of the page
	tickets *ticket.Verifier
	entries entryWriter
	posted  bool              // it came by POST: no lock is held, so it may wait
	refused bool              // an entry was not written: lists of entries would be incomplete
	posts   []hook.ActivePost // the active posts, if the beat asks for them
}

// entryWriter writes entries for the page that a beat comes from.
type entryWriter interface {
	write(c *hook.Call, e presence.Entry) error
}

// read reads the fields of a beat from its form.
func (b *beat) read() {
	b.Presence = b
	b.Screen = "front"
	if screen := b.Post.Get("screen_id"); !wordpress.Empty(screen) {
		s, _ := screen.(string) // sanitize_key returns an empty string for a value that is no scalar
		b.Screen = wordpress.SanitizeKey(s)
	}
	b.Focus = b.Post.String("has_focus") == "true"
	b.Data = wordpress.ArrayOf(b.Post.Get("data"))
}

// view returns the live view of the beat's site. Only a beat by POST waits for the first
// snapshot: one that came over a link holds its session's lock, and its page has waited when
// it connected.
func (b *beat) view() (*broker.View, error) {
	if b.posted {
		return b.site.watch(context.Background())
	}
	return b.site.open()
}

// readDeposits reads the deposited values for handles of the beat that are not native.
func (b *beat) readDeposits(store *deposit.Store, claims *ticket.Claims, hooks *hook.Hooks) {
	if !claims.Deposits || !store.Has(b.site.ID) {
		return
	}
	page := pageOf(claims)
	for handle := range b.Data.All() {
		if hooks.IsNative(handle) {
			continue
		}
		if value, found := store.Find(b.site.ID, handle, page, b.Now); found {
			b.Deposits = append(b.Deposits, hook.Deposit{Handle: handle, Value: value})
		}
	}
}

// Enter implements hook.Presence.
func (b *beat) Enter(room, clientID string, data []byte) {
	if len(data) > hook.MaxData || b.User.Unrecorded || !b.User.MayEnter(room) {
		return
	}
	err := b.entries.write(&b.Call, presence.Entry{
		Room: room, ClientID: clientID,
		UserID: b.User.ID, DisplayName: b.User.Name, AvatarURL: b.User.Avatar,
		Data: data, DateGMT: wordpress.Date(b.Now),
	})
	b.refused = b.refused || err != nil
}

// errRefused is the error for a list of entries that lacks the page's own.
var errRefused = errors.New("an entry of the page was refused")

// Room implements hook.Presence.
func (b *beat) Room(room string) (entries []presence.Entry, total int, err error) {
	view, err := b.view()
	if err != nil {
		return nil, 0, err
	}
	view.Room(room, func(e []presence.Entry, t int) { entries, total = e, t })
	return entries, total, nil
}

// Online implements hook.Presence.
func (b *beat) Online() (list wordpress.Encoded, listed, total int, err error) {
	if b.refused {
		return nil, 0, 0, errRefused
	}
	entries, total, err := b.Room(wordpress.AdminRoom)
	if err != nil {
		return nil, 0, 0, err
	}
	listed = len(entries)
	for i := range entries {
		if entries[i].UserID == 0 { // of a back end, not of a person
			listed, total = listed-1, total-1
		}
	}
	return b.site.rooms.Online.Encode(entries), listed, total, nil
}

// whyPHP returns why PHP must answer a beat, or an empty string.
func (b *beat) whyPHP(claims *ticket.Claims, hooks *hook.Hooks, linked bool, now time.Time) (cause string) {
	if cause := claims.WhyPHP(&b.Call, hooks, linked, now); cause != "" {
		return cause
	}
	switch {
	case !b.readActivePosts():
		return refusal.UnknownPosts
	case b.site.cron.Claim(now):
		return refusal.CronIsDue
	}
	return ""
}
