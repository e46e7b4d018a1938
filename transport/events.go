package transport

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

const (
	// streamTime is how long one stream lasts; then the page requests the next one. A page
	// whose connection was lost without being closed does not: so the server notices the
	// loss within a TTL, including the gap between two streams and the grace period.
	streamTime = 30 * time.Second
	// keepAlive is the time between two comments on an idle stream, which show the page
	// and the proxies that the connection works.
	keepAlive = 10 * time.Second
	// testTime is how long a test stream lasts. A page waits half as long for its first
	// line: a proxy that buffers sends that line at the end of the stream.
	testTime = 10 * time.Second
	// maxTests is the maximum number of test streams at once, and maxTestsFrom that from one
	// address.
	maxTests     = 1000
	maxTestsFrom = 50
)

// Events sends the frames of a session to its client as server-sent events, in the
// response to GET /events?after=N&id=M. N is the id of the last event that the client
// received, or 0. The frames of a write stay until the next one, also of a comment, if they have at
// most 64 KiB. If N is smaller than the id before them, events were lost with their connection; the
// session then ends, and the page opens another one with its cursor.
//
// GET /events?test=1&id=M needs no session. Its stream has the first line only. With it a
// page that has another link, which a new session would end, tests whether the proxies pass
// a stream on as it is written.
type Events struct {
	Sessions *Sessions
	Stop     <-chan struct{} // test streams end when it is closed; may be nil
	// Address returns the address of a request's client, if it is known; may be nil.
	Address func(*http.Request) (address netip.Prefix, known bool)

	mu    sync.Mutex           // guards the following fields
	tests int                  // test streams that are open
	from  map[netip.Prefix]int // the same for each address
}

// ServeHTTP answers with one stream.
func (t *Events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := t.serve(w, r); err != nil {
		Refuse(w, err)
	}
}

// serve returns an error if it has not written anything.
func (t *Events) serve(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	request, err := RequestID(query)
	if err != nil {
		return err
	}
	if query.Has("test") {
		return t.test(w, r, request)
	}
	after, err := strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil {
		return &Bye{Code: CodeProtocol, Reason: "after must be the id of the last event, or 0"}
	}
	s, err := t.Sessions.Find(r)
	if err != nil {
		return err
	}
	c, err := s.Receive(r, streamTime)
	if err != nil {
		return err
	}
	s.Outbox().SetTransport(NameEvents)
	parked := false
	defer func() {
		if !parked {
			c.Release()
		}
	}()
	if frames, last, _ := s.Outbox().After(after); last-uint64(len(frames)) != after {
		s.End(nil)
		return ErrGone
	}
	stream := &eventStream{session: s, receiver: c, request: request, after: after, w: w, control: http.NewResponseController(w), park: c.MayPark(r)}
	if err = stream.begin(); err == nil {
		err = stream.run()
	}
	if errors.Is(err, errQuiet) {
		parked = c.Park(w, r, func(conn *parking.Conn) bool {
			stream.w, stream.control, stream.conn = nil, nil, conn
			return stream.finish(stream.run()) && conn.EndChunks()
		})
		if parked {
			return nil
		}
		err = stream.run()
	}
	if !stream.finish(err) && errors.Is(err, errEventsTaken) {
		panic(http.ErrAbortHandler) // the client handles it like a response that a proxy has cut
	}
	return nil
}

// test answers with a test stream.
func (t *Events) test(w http.ResponseWriter, r *http.Request, request uint64) error {
	var address netip.Prefix // the zero value is that of clients whose address is not known
	if t.Address != nil {
		address, _ = t.Address(r)
	}
	if bye := t.addTest(address); bye != nil {
		if t.Sessions.OnRefuse != nil {
			t.Sessions.OnRefuse(r, bye)
		}
		return bye
	}
	defer t.removeTest(address)
	stream := eventStream{request: request, w: w, control: http.NewResponseController(w)}
	defer stream.release()
	if err := stream.begin(); err != nil {
		return nil // the client is gone
	}
	over := time.NewTimer(testTime)
	defer over.Stop()
	select {
	case <-over.C:
	case <-r.Context().Done():
	case <-t.Stop:
	}
	return nil
}

// addTest counts a test stream, and returns nil, unless there are too many.
func (t *Events) addTest(address netip.Prefix) *Bye {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.tests >= maxTests:
		return &Bye{Code: CodeTooMany, Reason: "this node has reached its limit of test streams", RetryAfter: 30 * time.Second}
	case address.IsValid() && t.from[address] >= maxTestsFrom:
		return &Bye{Code: CodeTooMany, Reason: "this address has reached its limit of test streams", RetryAfter: 30 * time.Second}
	case t.from == nil:
		t.from = make(map[netip.Prefix]int)
	}
	t.tests++
	t.from[address]++
	return nil
}

func (t *Events) removeTest(address netip.Prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tests--
	if t.from[address]--; t.from[address] == 0 {
		delete(t.from, address)
	}
}

// errEventsTaken ends a stream that would skip events.
var errEventsTaken = errors.New("another stream of the session has sent the next events")

// errQuiet says that a stream has had no events for ParkAfter.
var errQuiet = errors.New("no events")

// eventStream writes the frames of a session after a number.
type eventStream struct {
	session  *HTTPSession // nil for a test stream
	receiver *Receiver
	request  uint64 // the id that the client gave the request, or 0
	after    uint64
	w        http.ResponseWriter
	control  *http.ResponseController
	park     bool          // the connection may be parked
	conn     *parking.Conn // instead of w and control, when it is
}

// begin writes the header and the first line, which names the request.
func (s *eventStream) begin() error {
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses delays events
	h.Set("X-Accel-Buffering", "no")                 // for nginx
	h.Set("X-Content-Type-Options", "nosniff")
	_ = s.control.SetReadDeadline(time.Time{}) // the deadline of a request would end the stream
	first := []byte(":")                       // a comment
	if s.request != 0 {
		first = strconv.AppendUint(first, s.request, 10)
	}
	return s.write(append(first, "\n\n"...))
}

// run writes events until the receiver is over. The error says why the session is to end: it is a *Bye
// that was written, or the connection failed. It is errQuiet, once, if the connection may be parked.
func (s *eventStream) run() error {
	for {
		wait := keepAlive
		if s.park {
			wait = ParkAfter
		}
		frames, last, bye := s.receiver.Next(s.after, wait)
		switch {
		case last-uint64(len(frames)) != s.after:
			return errEventsTaken
		case bye == nil && s.receiver.Over():
			return nil
		case len(frames) == 0 && bye == nil && s.park:
			s.park = false
			return errQuiet
		}
		if bye != nil {
			frames = append(frames, bye.Frame())
		}
		before := s.after
		if err := s.writeEvents(frames); err != nil {
			return err
		}
		if bye != nil {
			return bye
		}
		s.session.Outbox().Sent(before, s.after)
	}
}

// finish ends the session if run has returned an error, unless the client sends another request, or has sent one. It
// reports whether the connection works.
func (s *eventStream) finish(err error) bool {
	s.release()
	if err == nil || errors.Is(err, ErrAgain) {
		return true
	}
	if !s.receiver.Taken() {
		s.session.End(nil)
	}
	var bye *Bye
	return errors.As(err, &bye)
}

// writeEvents writes an event for each frame; without a frame it writes a comment.
func (s *eventStream) writeEvents(frames [][]byte) error {
	var b []byte
	for _, f := range frames {
		s.after++
		b = append(strconv.AppendUint(append(b, "id:"...), s.after, 10), "\ndata:"...)
		start := len(b)
		b = append(b, f...)
		for i := start; i < len(b); i++ {
			if b[i] == '\n' || b[i] == '\r' { // whitespace between tokens; in a string it is escaped
				b[i] = ' '
			}
		}
		b = append(b, "\n\n"...)
	}
	if len(frames) == 0 {
		b = append(b, ":\n\n"...)
	}
	return s.write(b)
}

// release removes the deadline of the last write: the connection is used again.
func (s *eventStream) release() { _ = s.setDeadline(time.Time{}) }

func (s *eventStream) setDeadline(t time.Time) error {
	if s.conn != nil {
		return s.conn.SetWriteDeadline(t)
	}
	return s.control.SetWriteDeadline(t)
}

func (s *eventStream) write(b []byte) error {
	if err := s.setDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return err
	}
	if s.conn != nil {
		return s.conn.WriteChunk(b)
	}
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	return s.control.Flush()
}
