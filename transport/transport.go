// Package transport carries beats and ticks over WebSockets, server-sent events,
// long-polling and plain POST requests.
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
//
// # Another transport
//
// A transport can be written outside of this package. For each connection it
//
//  1. reads the client's first frame, of at most MaxHello bytes and within HelloTimeout,
//     with ParseHello;
//  2. calls Server.Open with a new Outbox;
//  3. calls Outbox.Start with a function that wakes the writer, and with Welcome.Frame,
//     which thereby is the first frame to the client;
//  4. sends the frames that Outbox.After returns, each write within WriteTimeout, and calls
//     Outbox.Ack when the client has them, or Outbox.Sent if it may ask for the last ones
//     again. The Outbox bounds the frames that wait, and ends the connection of a client that
//     reads too slowly. If After returns a bye, Bye.Frame is the last frame, and the transport
//     closes the connection;
//  5. passes the client's other frames, of at most MaxFrame bytes, to Receive, and adds the frame that it returns, if
//     any, with Outbox.Send. After an error it calls Outbox.Bye with AsBye(err) and reads
//     no more frames;
//  6. notices a dead connection within a TTL, which is 60 s by default, by a ping or a
//     write every 10 s, and calls Session.Detach once when the connection has ended.
//
// Where the client sends each frame in an HTTP request of its own, Sessions takes these
// steps, except for sending frames to the client: HTTPSession lists the calls for that.
// The handler clears the read deadline of a long response, and sets a write deadline before
// each write. events.go, which uses only exported names, is an example.
package transport

import (
	"context"
	"net/http"
	"time"
)

// The names of the transports of links.
const (
	NameWebSocket = "websocket"
	NameEvents    = "events"
	NameLongPoll  = "longpoll"
)

// Limits of every transport.
const (
	// MaxBody is the largest beat over a link, in bytes. The welcome names it, and the
	// client posts larger ones to PHP. A native beat has a few hundred bytes, and one that
	// asks for the locks of a list of 999 posts has 51,000 if their ids have seven digits.
	MaxBody = 64 << 10
	// MaxFrame is the largest frame from a client: MaxBody and room for the JSON around it,
	// in which each "&" may take six bytes.
	MaxFrame = MaxBody + MaxBody/2
	// MaxHello is the largest hello. Its ticket is not checked while it is received.
	MaxHello = 16 << 10
	// HelloTimeout is the time within which a new connection must send its hello.
	HelloTimeout = 5 * time.Second
	// WriteTimeout is the time within which a write must end.
	WriteTimeout = 10 * time.Second
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
	// Beat answers a beat or declines it. It does not block.
	Beat(ctx context.Context, b Beat) Tick
	// Note handles the presence handles of a beat that the page posts to PHP.
	Note(body []byte)
	// Renew replaces the session's ticket by a newer one. An error ends the connection.
	Renew(ticket string) error
	// Leave ends the page's presence at once. The transport then ends the connection.
	Leave()
	// Detach tells the session that the connection of out has ended. A transport calls it
	// once for each Open that succeeded, with none of its locks held.
	Detach(out *Outbox)
}

// Receive passes one client frame, except the hello, to the session and returns the frame
// that answers it, if any. An error ends the connection; AsBye says how.
func Receive(ctx context.Context, s Session, frame []byte) (answer []byte, err error) {
	if b, ok := parseBeat(frame); ok {
		return tickFrame(b.ID, s.Beat(ctx, b)), nil
	}
	f, err := parseFrame(frame)
	if err != nil {
		return nil, err
	}
	return receiveFrame(ctx, s, f, []byte(f.Body))
}

// receiveFrame is Receive for a parsed frame, with its body apart from it.
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
