package pushtransport

import (
	"fmt"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Page is the rows of one page. As entries in the rooms of NATS they tell all nodes which pages
// are open: of a user's pages, the row shows the one that was opened or shown last. The zero
// value has none. It is not safe for concurrent use.
type Page struct {
	keys    []presence.Key // of the entries
	visible bool
	shownAt time.Time      // when the page was opened or shown
	ping    *ticket.Ping   // of the last ticket that had one
	state   string         // what its entries were written from
	taken   broker.Arrival // with which the entries were taken over
}

// Session is what the rows of a page depend on.
type Session struct {
	Broker     *broker.Broker
	View       *broker.View // nil: the site is closed
	State      *State       // of the site
	Site, Conn string
	Claims     *ticket.Claims
	User       *hook.User
	Idle       presence.Activity
	Connected  bool
	Arrival    broker.Arrival // of the connection
	Wake       func()         // wakes the goroutine of Run
}

// IsVisible reports whether the page of a note or a hello is visible. The body of a page that
// was just hidden is empty.
func IsVisible(form *wordpress.Array) bool {
	return form.Has("idle") && form.String("hidden") == ""
}

// Show takes whether the page is visible. written says that the load of the page has just
// written its rows.
func (p *Page) Show(s Session, visible, written bool) {
	was := p.visible
	if visible && (!was || p.shownAt.IsZero()) {
		p.shownAt = s.Broker.Now()
	}
	p.visible = visible
	shown := p.shown(s)
	p.Update(s)
	switch {
	case visible && !was && !written:
		p.changed(s, p.keys, time.Now())
	case !visible && was:
		p.changed(s, shown, time.Now())
	}
	if !s.State.Told() {
		s.Wake() // the first page of a site does not wait for the next look
	}
}

// SetIdle marks the entries of a page whose user has become idle.
func (p *Page) SetIdle(b *broker.Broker) {
	for _, k := range p.keys {
		b.SetIdle(k)
	}
}

// shown returns the keys of the rows that show this page.
func (p *Page) shown(s Session) (keys []presence.Key) {
	if s.View == nil {
		return nil
	}
	for _, k := range p.keys {
		if conn := s.View.ShownConn(k.Room, k.ClientID); conn == k.Conn || conn == "" {
			keys = append(keys, k)
		}
	}
	return keys
}

// changed lets WordPress be told which page the rows show now, or that they have none: since
// then this page does not count.
func (p *Page) changed(s Session, keys []presence.Key, since time.Time) {
	for _, k := range keys {
		s.State.Change(Key{k.Room, k.ClientID, s.User.ID}, since, p.where(s))
	}
	if len(keys) > 0 {
		s.Wake()
	}
}

// allowed returns the keys of the rows that the page's ticket allows: none if the user's
// presence is not recorded.
func allowed(s Session) (keys []presence.Key) {
	if s.Claims.Rows == "" || s.User.Unrecorded {
		return nil
	}
	if s.User.EditPosts {
		keys = append(keys, presence.Key{Site: s.Site, Room: wordpress.AdminRoom, ClientID: UserClient(s.User.ID), Conn: s.Conn})
	}
	if post := s.User.Post; post != nil && s.User.MayEnter(post.Room()) {
		keys = append(keys, presence.Key{Site: s.Site, Room: post.Room(), ClientID: EditorClient(s.User.ID), Conn: s.Conn})
	}
	return keys
}

// Update writes the entries as the page's ticket says, and removes those that the ticket no
// longer allows.
func (p *Page) Update(s Session) {
	keys := allowed(s)
	for _, k := range p.keys {
		if !slices.Contains(keys, k) {
			s.Broker.Leave(k)
		}
	}
	value := presence.Stored{Entry: presence.Entry{
		UserID: s.User.ID, DisplayName: s.User.Name, AvatarURL: s.User.Avatar,
		Data: p.where(s), DateGMT: wordpress.Date(p.shownAt), Idle: s.Idle,
	}}
	if p.visible { // a visible page of the user is shown rather than a hidden one
		value.FocusedAt = p.shownAt.UnixMilli()
	}
	// Only rows of pages with a connection are renewed in the table.
	hold := p.visible && s.Connected
	state := fmt.Sprint(string(value.Data), value.FocusedAt, hold, s.Idle)
	arrived := hold && s.Arrival != p.taken
	if slices.Equal(keys, p.keys) && state == p.state && !arrived {
		return
	}
	write := s.Broker.Put
	if hold {
		write = s.Broker.Hold
	}
	if arrived {
		write = func(k presence.Key, v presence.Stored) error { return s.Broker.TakeOver(k, v, s.Arrival) }
		p.taken = s.Arrival
	}
	p.keys, p.state = keys, state
	for _, k := range keys {
		if write(k, value) != nil {
			p.state, p.taken = "", 0 // the next Update writes the entry again
		}
	}
}

// where returns the data of the entries.
func (p *Page) where(s Session) []byte {
	if s.Claims.Ping != nil {
		p.ping = s.Claims.Ping
	}
	ping := p.ping
	if ping == nil {
		ping = &ticket.Ping{Screen: s.Claims.Screen}
		if post := s.User.Post; post != nil {
			ping.PostID = post.ID
		}
	}
	data := wordpress.NewObject().Text("screen", ping.Screen)
	if label := s.User.ScreenLabel(ping.Screen); label != "" {
		data = data.Text("screen_label", label)
	}
	if ping.Title != "" {
		data = data.Text("title", ping.Title)
	}
	if ping.PostID > 0 {
		data = data.Number("post_id", ping.PostID)
	}
	if ping.ObjectID > 0 {
		data = data.Number("object_id", ping.ObjectID)
	}
	return data.JSON()
}

// Leave removes the entries with leave: the page has been closed since then, or its user has logged out.
func (p *Page) Leave(s Session, since time.Time, leave func(presence.Key)) {
	changed := p.shown(s)
	if s.Connected {
		// With the log-out, that plugin removes the rows that other log-ins of the user have.
		changed, since = p.keys, time.Now()
	}
	for _, k := range p.keys {
		leave(k)
	}
	p.keys = nil
	p.changed(s, changed, since)
}
