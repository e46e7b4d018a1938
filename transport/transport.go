// Package transport turns bytes into beats and ticks into bytes, over a
// WebSocket, a long-poll or a plain POST.
//
// Whatever carries it, a beat is the same bytes: the urlencoded body that
// WordPress's own heartbeat.js makes. The transports know nothing of what it
// says. They all lead into the same Session:
//
//	client                         transport                     Server
//	  hello ─────────────────────────→ Open ───────────────────────→ Session
//	  beat ──────────────────────────→ Session.Beat ──→ Tick
//	  tick, presence, bye ←── Outbox ←──────────────────────────────┘
//
// The frames of the subprotocol heartbeat.v1 are in frame.go, the codes that
// end a connection in bye.go.
package transport

import (
	"context"
	"net/http"
	"time"
)

// Limits that every transport keeps. They are constants because a client
// learns MaxBody from the welcome and nobody needs another value.
const (
	// MaxBody is the largest beat taken over a link, in bytes. The client
	// posts a larger one to PHP.
	MaxBody = 1 << 20
	// maxFrame leaves room for the JSON around a body of MaxBody.
	maxFrame = MaxBody + 64<<10
	// HelloTimeout is how long a new connection may wait with its hello.
	HelloTimeout = 5 * time.Second
	// writeTimeout ends a connection whose client takes nothing any more.
	writeTimeout = 10 * time.Second
)

// Beat is one client request.
type Beat struct {
	ID   uint64
	Body []byte // urlencoded, as core's client makes it; good until the session has answered
}

// Tick is the answer to one beat.
type Tick struct {
	Decline bool        // heartbeatd does not answer this one: it is for PHP
	Status  int         // the HTTP status that WordPress would give
	Body    []byte      // the JSON that WordPress would write
	Header  http.Header // for an answer over HTTP; not changed by the transport
}

// Server opens sessions.
type Server interface {
	// Open starts the session of a page, or resumes it. What the session has
	// to say goes into out. An error that is a *Bye says why not.
	Open(r *http.Request, hello Hello, out *Outbox) (Session, Welcome, error)
}

// Session is the server's state for one browser page. Its methods are called
// by one goroutine at a time for a WebSocket, by several for a long-poll.
type Session interface {
	// Beat answers at once or declines at once.
	Beat(ctx context.Context, b Beat) Tick
	// Note takes the presence handles of a beat that went to PHP.
	Note(body []byte)
	// Renew takes a newer ticket. An error that is a *Bye ends the connection.
	Renew(ticket string) error
	// Leave ends the page's presence at once.
	Leave()
	// Detach says that the connection which out belongs to is gone.
	Detach(out *Outbox)
}

// receive hands one client frame to the session and returns the answer, if
// there is one. An error ends the connection.
func receive(ctx context.Context, s Session, frame []byte) (answer []byte, err error) {
	if b, ok := parseBeat(frame); ok {
		return tickFrame(b.ID, s.Beat(ctx, b)), nil
	}
	f, err := parseFrame(frame)
	if err != nil {
		return nil, err
	}
	return receiveFrame(ctx, s, f, []byte(f.Body))
}

// receiveFrame is receive for a frame whose body is apart.
func receiveFrame(ctx context.Context, s Session, f clientFrame, body []byte) (answer []byte, err error) {
	switch f.Type {
	case "beat":
		if f.ID == 0 {
			return nil, protocolError("a beat needs an id above 0")
		}
		return tickFrame(f.ID, s.Beat(ctx, Beat{ID: f.ID, Body: body})), nil
	case "note":
		s.Note(body)
	case "ticket":
		return nil, s.Renew(f.Ticket)
	case "leave":
		s.Leave()
		return nil, errLeft
	case "hello":
		return nil, protocolError("a second hello: one connection, one hello")
	default:
		return nil, protocolError("unknown frame type " + quoteShort(f.Type))
	}
	return nil, nil
}
