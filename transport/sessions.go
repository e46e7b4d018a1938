package transport

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

const (
	// receiveGap is the longest time between two requests of a session whose responses carry
	// frames to the client. The client sends the next such request as soon as one ends, so a
	// gap is usually one round trip.
	receiveGap = 10 * time.Second
	// lostGap is the same if the client itself ended the request: the page was closed, or its
	// browser sends the next request at once.
	lostGap = time.Second
	// maxHTTPSessions is the largest number of sessions of one node.
	maxHTTPSessions = 20_000
	// maxClose is the largest body of a close, in bytes.
	maxClose = 1 << 10
	// SessionHeader names the session in every request after open.
	SessionHeader = "Heartbeat-Session"
)

// Sessions are the connections of pages that send every frame in a request of its own.
// POST /open opens a session, POST /beat carries the client's frames, and POST /close
// ends it. Another handler sends frames to the client: LongPoll, Events or one of your own.
type Sessions struct {
	Server Server
	// OnRefuse, if it is not nil, is called when a page is refused because of its hello, or of the
	// limit of sessions or of test streams. Server.Open is not called for that page.
	OnRefuse func(r *http.Request, bye *Bye)
	Limits   Limits       // may be nil
	Prefix   string       // what the ids of sessions begin with
	Lot      *parking.Lot // has the connections whose requests wait; may be nil

	mu       sync.Mutex // guards the following fields
	sessions map[string]*HTTPSession
	closed   bool
}

// HTTPSession is one of the Sessions. A handler that sends its frames to the client calls
//
//  1. Sessions.Find with the request;
//  2. Receive, which ends the handler before it;
//  3. Outbox.After with the number of the last frame that the client says it received. If
//     the number before the first of these frames is another one, frames were lost: the
//     handler calls End with nil, and Refuse with ErrGone;
//  4. Next of the receiver, which waits for frames, and writes them;
//  5. Outbox.Sent with the numbers of the last frame before, and of the last one that it has written, and
//     continues with step 4 until the receiver is over;
//  6. End with nil when it has written the bye, or after an error, unless that is ErrAgain or the receiver is
//     Taken;
//  7. Release of the receiver.
//
// In LongPoll, which writes once, the next request acknowledges the frames: it calls
// Outbox.Ack instead of step 3, and omits step 5.
type HTTPSession struct {
	id      string
	of      *Sessions
	session Session // set before the client learns id
	release func()  // of Limits.Open
	out     Outbox
	news    chan struct{}                // has a token when there may be new frames
	parked  atomic.Pointer[parking.Conn] // of the receiver, if it is parked

	mu       sync.Mutex  // guards the following fields
	gap      *time.Timer // runs while there is no receiver
	receiver *Receiver   // the current one
	ended    bool
	polled   time.Time // when LongPoll last sent frames
}

// Open answers POST /open: the request is a hello, the response a welcome.
func (s *Sessions) Open(w http.ResponseWriter, r *http.Request) {
	welcome, err := s.open(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	answer(w, welcome.Frame())
}

func (s *Sessions) open(r *http.Request) (welcome Welcome, err error) {
	b, err := ReadBody(r, MaxHello, s.Limits)
	if err != nil {
		return welcome, err
	}
	defer b.Release()
	hello, err := readHello(r, b.Bytes)
	if err != nil {
		s.refused(r, AsBye(err))
		return welcome, err
	}
	request, err := RequestID(r.URL.Query())
	if err != nil {
		return welcome, err
	}
	h := &HTTPSession{id: s.Prefix + rand.Text(), of: s, news: make(chan struct{}, 1)}
	if err := s.reserve(h, r); err != nil {
		if err.Code == CodeTooMany {
			s.refused(r, err)
		}
		return welcome, err
	}
	opened := false
	defer func() {
		if !opened {
			s.remove(h) // also when Open panics
		}
	}()
	session, welcome, err := s.Server.Open(r, hello, &h.out)
	if err != nil {
		return welcome, err
	}
	if opened = s.begin(h, session); !opened {
		session.Detach(&h.out)
		return welcome, errStopping
	}
	h.out.Start(h.wake)
	welcome.Session, welcome.ID, welcome.PollWait = h.id, request, PollWait
	return welcome, nil
}

func (s *Sessions) refused(r *http.Request, bye *Bye) {
	if s.OnRefuse != nil {
		s.OnRefuse(r, bye)
	}
}

// RequestID returns the id that a request has in its address, or 0. The response names it
// too, so that a client notices a response that was made for another request.
func RequestID(query url.Values) (uint64, error) {
	if !query.Has("id") {
		return 0, nil
	}
	id, err := strconv.ParseUint(query.Get("id"), 10, 64)
	if err != nil || id == 0 {
		return 0, protocolError("id must be a number above 0")
	}
	return id, nil
}

// Beat answers POST /beat of a session: any client frame except a hello.
func (s *Sessions) Beat(w http.ResponseWriter, r *http.Request) {
	h, err := s.Find(r)
	if err != nil {
		Refuse(w, err)
		return
	}
	tick, err := h.receive(r)
	if errors.Is(err, errIncomplete) { // the session continues
		Refuse(w, err)
		return
	}
	if err != nil {
		bye := AsBye(err)
		h.End(bye)
		if bye.Code != CodeLeft {
			Refuse(w, bye)
			return
		}
	}
	if tick != nil {
		answer(w, tick)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (h *HTTPSession) receive(r *http.Request) (tick []byte, err error) {
	body, err := ReadBody(r, MaxFrame, h.of.Limits)
	if err != nil {
		return nil, err
	}
	defer body.Release()
	b := body.Bytes
	if isForm(r, b) {
		f, err := formFrame(r)
		if err != nil {
			return nil, err
		}
		return receiveFrame(r.Context(), h.session, f, b)
	}
	return Receive(r.Context(), h.session, b)
}

// Close answers POST /close, which a page sends with navigator.sendBeacon when it is left.
// The session is a field of its body, since a beacon has no headers of its own. A client
// that knows a session may close it, from any origin. The session is then detached, as after
// the end of a socket.
func (s *Sessions) Close(w http.ResponseWriter, r *http.Request) {
	b, err := ReadBody(r, maxClose, s.Limits)
	if errors.Is(err, errTooLarge) {
		err = protocolError("a close has one field, session")
	}
	if err != nil {
		Refuse(w, err)
		return
	}
	form, err := url.ParseQuery(string(b.Bytes))
	if err != nil {
		Refuse(w, protocolError("not a form: "+err.Error()))
		return
	}
	if h := s.find(form.Get("session")); h != nil {
		h.End(errLeft)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// Find returns the session that a request names in SessionHeader. The error is ErrGone.
func (s *Sessions) Find(r *http.Request) (*HTTPSession, error) {
	h := s.find(r.Header.Get(SessionHeader))
	if h == nil {
		return nil, ErrGone
	}
	return h, nil
}

// Outbox returns the outbox of the session's connection.
func (h *HTTPSession) Outbox() *Outbox { return &h.out }

// Ended reports whether the session has ended.
func (h *HTTPSession) Ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// End ends the session, if it has not ended. The current receiver gets bye, if it is not
// nil.
func (h *HTTPSession) End(bye *Bye) {
	if !h.of.remove(h) {
		return
	}
	if bye != nil {
		h.out.Bye(bye)
	}
	h.mu.Lock()
	h.gap.Stop()
	h.ended = true
	if h.receiver != nil {
		h.receiver.end()
	}
	h.mu.Unlock()
	h.session.Detach(&h.out)
}

func (h *HTTPSession) wake() {
	select {
	case h.news <- struct{}{}:
	default:
	}
	if c := h.parked.Load(); c != nil {
		c.Wake()
	}
}

// reserve adds h to the sessions, and returns nil, unless there are too many.
func (s *Sessions) reserve(h *HTTPSession, r *http.Request) (bye *Bye) {
	if s.Limits != nil {
		if h.release, bye = s.Limits.Open(r); bye != nil {
			return bye
		}
		defer func() {
			if bye != nil {
				h.release()
			}
		}()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errStopping
	case len(s.sessions) >= maxHTTPSessions:
		return &Bye{Code: CodeTooMany, Reason: "this node has reached its limit of sessions over HTTP", RetryAfter: 30 * time.Second}
	case s.sessions == nil:
		s.sessions = make(map[string]*HTTPSession)
	}
	s.sessions[h.id] = h
	return nil
}

// begin gives h its session, unless Stop was called.
func (s *Sessions) begin(h *HTTPSession, session Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	h.session = session
	h.gap = time.AfterFunc(receiveGap, func() { h.End(nil) })
	return true
}

// Alive sends a session a frame that says nothing. A poll that waits is answered with it.
func (s *Sessions) Alive(id string) {
	if h := s.find(id); h != nil {
		h.out.Send([]byte(aliveFrame))
	}
}

func (s *Sessions) find(id string) *HTTPSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// remove removes h, and reports whether it was one of the sessions.
func (s *Sessions) remove(h *HTTPSession) bool {
	s.mu.Lock()
	found := s.sessions[h.id] == h
	delete(s.sessions, h.id)
	s.mu.Unlock()
	if found && h.release != nil {
		h.release()
	}
	return found
}

// Stop ends all sessions and refuses further ones.
func (s *Sessions) Stop() {
	s.mu.Lock()
	s.closed = true
	all := maps.Clone(s.sessions)
	maps.DeleteFunc(all, func(_ string, h *HTTPSession) bool { return h.session == nil }) // open refuses these
	s.mu.Unlock()
	for _, h := range all {
		h.End(errStopping)
	}
}

func answer(w http.ResponseWriter, frame []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(frame)
}
