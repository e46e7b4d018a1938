package server

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// freshPage is how old the ticket of a page is at most whose rows the load of the page has
// just written.
const freshPage = 15 * time.Second

const (
	// manyPages is how many pages beat at once because of a push. The beats of more are spread,
	// 10 ms for each, over at most maxChangesSpread.
	manyPages        = 20
	maxChangesSpread = 700 * time.Millisecond
)

// waker wakes a goroutine.
type waker struct{ c chan struct{} }

func newWaker() waker { return waker{make(chan struct{}, 1)} }

// wake does not wait.
func (w waker) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}

// rowsNode returns what the holding of rows in the table of the Presence API plugin needs of
// the node.
func rowsNode(b *broker.Broker, l *sites, sessions *sessions, w waker, log *slog.Logger) pushtransport.Node {
	sync := syncNode(b, l, waker{}, log)
	return pushtransport.Node{
		Broker: b, Logger: log, Wake: w.c, View: l.view, Secret: sync.Secret, CheckURL: sync.CheckURL,
		Sites: func(yield func(string, *pushtransport.State) bool) {
			for _, st := range l.all() {
				if (st.rooms.Len() > 0 || st.held.Pending()) && !yield(st.ID, &st.held) {
					return
				}
			}
		},
		Publish: func(ctx context.Context, siteID string, m message.Message) error {
			data, err := json.Marshal(m)
			if err == nil {
				_, err = b.Publish(ctx, broker.Pushes, siteID, data)
			}
			return err
		},
		Tell: func(siteID string, holds bool) {
			frame := presenceFrame(presenceNews{Holds: &holds})
			for _, s := range sessions.appendTargets(nil, siteID, message.Target{All: true}) {
				s.Send(frame)
			}
		},
	}
}

// heldRows are the rows of a page in the table of the Presence API plugin. As entries in the
// rooms of NATS they tell all nodes which pages are open: of a user's pages, the row shows the
// one that was opened or shown last.
type heldRows struct {
	keys    []presence.Key // of the entries
	visible bool
	shownAt time.Time    // when the page was opened or shown
	ping    *ticket.Ping // of the last ticket that had one
	state   string       // what its entries were written from
}

// isVisible reports whether the page of a note or a hello is visible. The body of a page that
// was just hidden is empty.
func isVisible(form *wordpress.Array) bool {
	return form.Has("idle") && form.String("hidden") == ""
}

// show takes whether the page is visible. written says that the page's load has just written
// its rows. It is called with s.mu held.
func (s *session) show(visible, written bool) {
	was := s.held.visible
	if visible && (!was || s.held.shownAt.IsZero()) {
		s.held.shownAt = time.Now()
	}
	s.held.visible = visible
	wasShown := s.shownRows()
	s.holdRows()
	switch {
	case visible && !was && !written:
		s.rowsChanged(s.held.keys, time.Now())
	case !visible && was:
		s.rowsChanged(wasShown, time.Now())
	}
	if !s.site.held.Told() {
		s.wakeRows() // the first page of a site does not wait for the next look
	}
}

// shownRows returns the keys of the page's rows that show this page. It is called with s.mu
// held.
func (s *session) shownRows() (shown []presence.Key) {
	view, err := s.site.open()
	if err != nil {
		return nil
	}
	for _, k := range s.held.keys {
		if conn := view.ShownConn(k.Room, k.ClientID); conn == k.Conn || conn == "" {
			shown = append(shown, k)
		}
	}
	return shown
}

// rowsChanged lets WordPress be told which page the rows show now, or that they have none: since
// then this page does not. It is called with s.mu held.
func (s *session) rowsChanged(keys []presence.Key, since time.Time) {
	for _, k := range keys {
		s.site.held.Change(pushtransport.Key{Room: k.Room, ClientID: k.ClientID, UserID: s.key.user}, since, s.where())
	}
	if len(keys) > 0 {
		s.wakeRows()
	}
}

// holdRows writes the entries of the page's rows as its ticket says, and removes those that
// the ticket no longer allows. It is called with s.mu held.
func (s *session) holdRows() {
	var keys []presence.Key
	if s.claims.Rows != "" && !s.ended {
		if s.user.EditPosts {
			keys = append(keys, s.keyOf(wordpress.AdminRoom, pushtransport.UserClient(s.key.user)))
		}
		if post := s.user.Post; post != nil && s.user.MayEnter(post.Room()) {
			keys = append(keys, s.keyOf(post.Room(), pushtransport.EditorClient(s.key.user)))
		}
	}
	for _, k := range s.held.keys {
		if !slices.Contains(keys, k) {
			s.broker.Leave(k)
		}
	}
	where := s.where()
	value := presence.Stored{Entry: presence.Entry{
		UserID: s.key.user, DisplayName: s.user.Name, AvatarURL: s.user.Avatar,
		Data: where, DateGMT: wordpress.Date(s.held.shownAt), Idle: s.idle,
	}}
	if s.held.visible { // a visible page of the user is shown rather than a hidden one
		value.FocusedAt = s.held.shownAt.UnixMilli()
	}
	// Only rows of pages with a connection are renewed in the table.
	hold := s.held.visible && s.connected()
	state := fmt.Sprint(string(where), value.FocusedAt, hold)
	if slices.Equal(keys, s.held.keys) && state == s.held.state {
		return
	}
	s.held.keys, s.held.state = keys, state
	for _, k := range keys {
		if hold {
			s.broker.Hold(k, value)
		} else {
			_ = s.broker.Put(k, value) // if this fails, the entry is missing, as the page soon is
		}
	}
}

// where returns the data of the page's entries. It is called with s.mu held.
func (s *session) where() []byte {
	if s.claims.Ping != nil {
		s.held.ping = s.claims.Ping
	}
	ping := s.held.ping
	if ping == nil {
		ping = &ticket.Ping{Screen: s.claims.Screen}
		if post := s.user.Post; post != nil {
			ping.PostID = post.ID
		}
	}
	data := wordpress.NewObject().Text("screen", ping.Screen)
	if label := s.user.ScreenLabel(ping.Screen); label != "" {
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

// leaveRows removes the entries of the page's rows: it has closed, or its user has logged out.
// It is called with s.mu held.
func (s *session) leaveRows() {
	changed, since := s.shownRows(), s.disconnectedAt
	if s.connected() {
		// With the log-out, that plugin removes the rows that other log-ins of the user have.
		changed, since = s.held.keys, time.Now()
	}
	for _, k := range s.held.keys {
		s.broker.Leave(k)
	}
	s.held.keys = nil
	s.rowsChanged(changed, since)
}

// tellHeld tells a page that has connected that its rows are held. It is called with s.mu held.
func (s *session) tellHeld() {
	if s.claims.Rows != "" && s.site.held.Told() {
		holds := true
		s.Send(presenceFrame(presenceNews{Holds: &holds}))
	}
}

// pushRooms tells the pages of a site that rooms have changed. Rooms of posts concern every
// page: the admin bar and the lists name who edits what. The table of an older version of that
// plugin is synchronized at once.
func (b *replayBuffer) pushRooms(st *site, rooms []string) {
	if st.sync.Soon() {
		b.wakeSync()
	}
	pages := b.sessions.appendTargets(nil, st.ID, message.Target{Can: "edit_posts"})
	spread := min(time.Duration(max(0, len(pages)-manyPages))*10*time.Millisecond, maxChangesSpread)
	frame := presenceFrame(presenceNews{Rooms: rooms, SpreadMS: int(spread.Milliseconds())})
	for _, s := range pages {
		s.Deliver(frame, broker.Cursor{})
	}
}

// presenceNews is what a push tells the plugin's script about the rooms of the Presence API
// plugin.
type presenceNews struct {
	Rooms    []string `json:"rooms,omitempty"`
	SpreadMS int      `json:"spread_ms,omitempty"` // the time over which pages beat
	Holds    *bool    `json:"holds,omitempty"`     // whether heartbeatd holds the rows of the page
}

// presenceFrame writes a push with such news.
func presenceFrame(n presenceNews) []byte {
	var frame struct {
		Type string `json:"type"`
		Data struct {
			Heartbeatd struct {
				Presence presenceNews `json:"presence"`
			} `json:"heartbeatd"`
		} `json:"data"`
	}
	frame.Type = "push"
	frame.Data.Heartbeatd.Presence = n
	b, _ := json.Marshal(frame) // strings and numbers cannot fail
	return b
}
