package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/pushtransport"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// freshPage is the greatest age of a ticket whose page has just been loaded: the load has written
// the page's rows.
const freshPage = 15 * time.Second

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
func rowsNode(b *broker.Broker, l *sites, sessions *sessions, now func(siteID string) time.Time, w waker, log *slog.Logger) pushtransport.Node {
	return pushtransport.Node{
		Access: access(l, now), Broker: b, Logger: log, Wake: w.c, View: l.view,
		Sites:   eachSite(l, func(st *site) (*pushtransport.State, bool) { return &st.held, st.rooms.Len() > 0 || st.held.Pending() }),
		Publish: func(ctx context.Context, id string, m message.Message) error { return publishCall(ctx, b, id, m) },
		Tell: func(siteID string, holds bool) {
			frame := pushtransport.Held(holds).Frame()
			for _, s := range sessions.appendTargets(nil, siteID, message.Target{All: true}) {
				s.Send(frame)
			}
		},
	}
}

// publishCall tells all nodes what a call has done. That the rows were renewed is published also if
// the site has used up its pushes: it is short, and there is one message for each renewal. Changes of
// rooms are as large as WordPress likes. If the budget does not allow them, pages are not told of
// them; the call has not failed.
func publishCall(ctx context.Context, b *broker.Broker, siteID string, m message.Message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if m.Kind == message.Renewed {
		_, err = b.PublishOverBudget(ctx, topic.Pushes, siteID, data)
	} else if _, err = b.Publish(ctx, topic.Pushes, siteID, data); errors.As(err, new(*budget.Error)) {
		return nil
	}
	return err
}

// rows returns what the rows of the page depend on. It is called with s.mu held.
func (s *session) rows() pushtransport.Session {
	view, _ := s.site.open() // fails when the node stops
	return pushtransport.Session{
		Broker: s.broker, View: view, State: &s.site.held, Site: s.site.ID, Conn: s.key.conn,
		Claims: s.claims, User: s.user, Idle: s.idle, Connected: s.connected(), Arrival: s.arrival, Wake: s.wakeRows,
	}
}

// tellRows tells a page that has connected that its rows are held, and, if it was connected
// before, that rooms have changed meanwhile: that is not known if it does not resume its session.
// It is called with s.mu held.
func (s *session) tellRows(resumed, returns bool) {
	if s.claims.Rows != "" && s.site.held.Told() {
		s.Send(pushtransport.Held(true).Frame())
	}
	changed := resumed && s.site.changes.PushedSince(s.disconnectedAt) || !resumed && returns && s.claims.Rows != ""
	if changed && s.user.EditPosts {
		s.Send(pushtransport.Changed([]string{wordpress.AdminRoom}, 1).Frame())
	}
}

// recall makes the open pages of users beat whose rows were removed. When a page closes, a version of
// that plugin without a push transport removes the row that all pages of the user share: the others
// write it again.
func (b *replayBuffer) recall(st *site, rooms []message.RoomState) {
	removed := pushtransport.RemovedRows(rooms...)
	for user := range removed { // not all pages of the site: rows are removed all the time
		for _, s := range b.sessions.appendTargets(nil, st.ID, message.Target{User: user}) {
			rooms := removed.Of(user, s.last.Load())
			if len(rooms) > 0 && s.connected() && s.isTarget(message.Target{Can: "edit_posts"}) {
				s.Send(pushtransport.Changed(rooms, 1).Frame())
			}
		}
	}
}

// takeRows takes the new titles of posts, and removes the entries of closed pages whose rows PHP has
// removed.
func (b *replayBuffer) takeRows(st *site, m message.Message, now time.Time) {
	for _, r := range m.Rooms {
		st.rooms.SetTitle(r.Room, r.Title, m.IssuedMS, now)
		st.sync.Removed(r.Room, r.Removed, func(clientID, conn string, user int64) {
			b.leaveClosed(st, r.Room, clientID, sessionKey{st.ID, user, conn})
		})
	}
}

// leaveClosed removes the entry of a closed page whose row PHP has removed. A user who has another page
// stays in the admin: it may not have written its entry yet.
func (b *replayBuffer) leaveClosed(st *site, room, clientID string, page sessionKey) {
	if _, isRow := pushtransport.RowUser(room, clientID); room == wordpress.AdminRoom && isRow && b.hasConnected(st, page.user) {
		return
	}
	if s := b.sessions.find(page); s != nil {
		s.leaveClosed(room, clientID)
	}
}

// hasConnected reports whether a user has a page that is connected to this node.
func (b *replayBuffer) hasConnected(st *site, user int64) bool {
	return slices.ContainsFunc(b.sessions.appendTargets(nil, st.ID, message.Target{User: user}), (*session).connected)
}

// pushRooms tells the pages of a site that rooms have changed. Rooms of posts concern every
// page: the admin bar and the lists name who edits what. The table of an older version of that
// plugin is synchronized at once.
func (b *replayBuffer) pushRooms(st *site, rooms []string) {
	if st.sync.Soon() {
		b.wakeSync()
	}
	pages := b.sessions.appendTargets(nil, st.ID, message.Target{Can: "edit_posts"})
	frame := pushtransport.Changed(rooms, len(pages)).Frame()
	for _, s := range pages {
		s.Send(frame)
	}
}
