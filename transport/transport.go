// Package transport carries beats and ticks over WebSockets, long-polling and plain POST
// requests.
//
// A beat is the same bytes on every transport: the urlencoded body that WordPress's own
// heartbeat.js makes. The transports do not read it. All of them lead to the same Session:
//
//	client                         transport                     Server
//	  hello ─────────────────────────→ Open ───────────────────────→ Session
//	  beat ──────────────────────────→ Session.Beat ──→ Tick
//	  tick, presence, bye ←── Outbox ←──────────────────────────────┘
//
// The frames of the subprotocol heartbeat.v1 are in frame.go, the codes that end a
// connection in bye.go.
package transport

import (
	"context"
	"net/http"
	"time"
)

// Limits of every transport.
const (
	// MaxBody is the largest beat over a link, in bytes. The welcome names it, and the
	// client posts larger ones to PHP.
	MaxBody = 1 << 20
	// maxFrame leaves room for the JSON around a body of MaxBody.
	maxFrame = MaxBody + 64<<10
	// HelloTimeout is the time within which a new connection must send its hello.
	HelloTimeout = 5 * time.Second
	// writeTimeout is the time within which a client must take what is written.
	writeTimeout = 10 * time.Second
)

// Beat is one client request.
type Beat struct {
	ID   uint64
	Body []byte // urlencoded, as core's client makes it; valid until Session.Beat returns
}

// Tick is the answer to one beat.
type Tick struct {
	Decline bool        // heartbeatd does not answer this beat: it is for PHP
	Status  int         // the HTTP status of WordPress's answer
	Body    []byte      // the JSON of WordPress's answer
	Header  http.Header // for an answer over HTTP; not changed by the transport
}

// Server opens sessions.
type Server interface {
	// Open starts or resumes the session of a page. The session adds its frames to out.
	// If it cannot be opened, the error is a *Bye that says why.
	Open(r *http.Request, hello Hello, out *Outbox) (Session, Welcome, error)
}

// Session is the server's state for one browser page. A transport may call its methods
// from several goroutines at once.
type Session interface {
	// Beat answers a beat or declines it. It does not wait for anything.
	Beat(ctx context.Context, b Beat) Tick
	// Note takes the presence handles of a beat that the page posts to PHP.
	Note(body []byte)
	// Renew takes a newer ticket. An error that is a *Bye ends the connection.
	Renew(ticket string) error
	// Leave ends the page's presence at once. The transport then ends the connection.
	Leave()
	// Detach tells the session that the connection of out has ended. A transport calls it
	// once for each Open that succeeded, with none of its locks held.
	Detach(out *Outbox)
}

// receive passes one client frame to the session and returns the frame that answers it, if
// any. An error ends the connection.
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

// receiveFrame is receive for a parsed frame, with its body apart from it.
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
		return nil, protocolError("a second hello on one connection")
	default:
		return nil, protocolError("unknown frame type " + quoteShort(f.Type))
	}
	return nil, nil
}
