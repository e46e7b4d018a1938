package server

import (
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/balance"
	"github.com/heartbeatd/heartbeatd/server/refusal"
)

// moveAgain is after what time a page that has come back to this node is asked again to move: a
// load balancer may always choose the same node for it.
const moveAgain = time.Hour

// leaver is a session as package balance sees it.
type leaver struct {
	*session
	replay *replayBuffer
}

func newBalancer(b *broker.Broker, l *sessions, replay *replayBuffer, stop <-chan struct{}) *balance.Balancer {
	return balance.New(balance.Node{
		Broker: b, Stop: stop,
		Count: func() int { return l.count("") },
		Pages: func() (pages []balance.Page) {
			for _, s := range l.all() {
				pages = append(pages, leaver{s, replay})
			}
			return pages
		},
	})
}

// Moved implements balance.Page.
func (l leaver) Moved() bool {
	return time.Since(time.Unix(l.moved.Load(), 0)) < moveAgain
}

// Move implements balance.Page.
func (l leaver) Move() {
	l.moved.Store(time.Now().Unix())
	l.replay.sendAway(l.session, func() { l.Send([]byte(`{"type":"move"}`)) })
}

// Bye implements balance.Page.
func (l leaver) Bye(retry time.Duration) {
	l.replay.sendAway(l.session, func() { l.bye(refusal.GoingAway(retry)) })
}

// Connected implements balance.Page.
func (l leaver) Connected() bool { return l.connected() }
