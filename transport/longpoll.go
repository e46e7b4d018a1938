package transport

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// PollWait is how long a poll waits for news: below the 30 s after which
	// many proxies give up on a response.
	PollWait = 25 * time.Second
	// pollGap is how long a session may be without a poll before it counts as
	// gone. A poll returns on news, so a gap is a round trip and no more.
	pollGap = 10 * time.Second
	// lostGap is the same when the poll's own client went away: the page was
	// closed, or its browser asks again at once.
	lostGap = time.Second
	// maxPolled bounds the long-poll sessions of one node.
	maxPolled = 20000
	// maxClose is the most bytes of the body of a close.
	maxClose = 1 << 10
	// SessionHeader names the session in every request after open.
	SessionHeader = "Heartbeat-Session"
)

// LongPoll carries frames over four kinds of request: open, poll, beat and close.
type LongPoll struct {
	Server Server

	mu       sync.Mutex // guards the following fields
	sessions map[string]*polled
	closed   bool
}

// polled is one long-poll connection.
type polled struct {
	session Session // set before anybody knows the connection's id
	out     *Outbox
	news    chan struct{} // holds a token when there may be something to take

	mu     sync.Mutex         // guards the following fields
	gone   *time.Timer        // runs when no poll waits
	turn   uint64             // counts polls
	cancel context.CancelFunc // ends the poll that waits
	ended  bool
}

// Open answers POST /open: a hello in, a welcome out.
func (t *LongPoll) Open(w http.ResponseWriter, r *http.Request) {
	b, err := readFrame(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	hello, err := readHello(r, b)
	if err != nil {
		refuse(w, err)
		return
	}
	name, err := requestID(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	p := &polled{out: &Outbox{}, news: make(chan struct{}, 1)}
	id := rand.Text()
	if err := t.reserve(id, p); err != nil {
		refuse(w, err)
		return
	}
	opened := false
	defer func() {
		if !opened {
			t.forget(id) // also when Open panics
		}
	}()
	session, welcome, err := t.Server.Open(r, hello, p.out)
	if err != nil {
		refuse(w, err)
		return
	}
	if opened = t.begin(id, p, session); !opened {
		session.Detach(p.out)
		refuse(w, errStopping)
		return
	}
	p.out.start(p.wake)
	welcome.Session, welcome.ID, welcome.PollWait = id, name, PollWait
	answer(w, appendWelcome(nil, welcome))
}

// requestID is the id that a request may name in its address, and its answer then
// names too: so a client notices an answer that was made for another request. It is 0
// if there is none.
func requestID(query url.Values) (uint64, error) {
	if !query.Has("id") {
		return 0, nil
	}
	id, err := strconv.ParseUint(query.Get("id"), 10, 64)
	if err != nil || id == 0 {
		return 0, protocolError("id must be a number above 0")
	}
	return id, nil
}

// Poll answers GET /poll?after=N&id=M: what came after N, as soon as there is some.
func (t *LongPoll) Poll(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(SessionHeader)
	p := t.find(id)
	if p == nil {
		refuseGone(w)
		return
	}
	query := r.URL.Query()
	after, err := strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil {
		refuse(w, protocolError("after must be the seq of the last poll, or 0"))
		return
	}
	name, err := requestID(query)
	if err != nil {
		refuse(w, err)
		return
	}
	p.out.ack(after)
	ctx, done := p.wait(r.Context())
	defer done()
	if t.find(id) == nil { // it ended just before
		refuseGone(w)
		return
	}
	frames, last, bye := p.out.after(after)
	for len(frames) == 0 && bye == nil && ctx.Err() == nil {
		select {
		case <-p.news:
		case <-ctx.Done():
		}
		frames, last, bye = p.out.after(after)
	}
	if len(frames) == 0 && bye == nil && t.find(id) == nil { // it ended while this poll began
		refuseGone(w)
		return
	}
	if bye != nil {
		frames = append(frames, appendBye(nil, bye))
		last++
		t.end(id, p, nil)
	}
	answer(w, appendPoll(nil, name, last, frames))
}

// Beat answers POST /beat of a session: any client frame but a hello.
func (t *LongPoll) Beat(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(SessionHeader)
	p := t.find(id)
	if p == nil {
		refuseGone(w)
		return
	}
	tick, err := p.receive(w, r)
	if errors.Is(err, errIncomplete) { // the session stays: its next poll may come
		refuse(w, err)
		return
	}
	if err != nil {
		bye := byeOf(err)
		t.end(id, p, bye)
		if bye.Code != CodeLeft {
			refuse(w, bye)
			return
		}
	}
	if tick != nil {
		answer(w, tick)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *polled) receive(w http.ResponseWriter, r *http.Request) (tick []byte, err error) {
	b, err := readFrame(w, r)
	if err != nil {
		return nil, err
	}
	if isForm(r, b) {
		f, err := formFrame(r)
		if err != nil {
			return nil, err
		}
		return receiveFrame(r.Context(), p.session, f, b)
	}
	return receive(r.Context(), p.session, b)
}

// Close answers POST /close, the beacon of a page that is left: a form with the
// session in its body, since a beacon has no headers of its own. Whoever knows a
// session may close it, from any origin. Its page is gone as if its socket had closed.
func (t *LongPoll) Close(w http.ResponseWriter, r *http.Request) {
	b, err := readBody(w, r, maxClose)
	if errors.Is(err, errTooLarge) {
		err = protocolError("a close has one field, session")
	}
	if err != nil {
		refuse(w, err)
		return
	}
	form, err := url.ParseQuery(string(b))
	if err != nil {
		refuse(w, protocolError("not a form: "+err.Error()))
		return
	}
	id := form.Get("session")
	if p := t.find(id); p != nil {
		t.end(id, p, errLeft)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// refuseGone has no bye: it is the session that is gone, and its page is
// welcome to open another.
func refuseGone(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store") // a 410 may be kept otherwise
	http.Error(w, "this session is gone: open a new one", http.StatusGone)
}

// wait counts the caller as the poll that waits, ending another one, and
// returns a context of PollWait's length.
func (p *polled) wait(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(parent, PollWait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		p.cancel()
	}
	p.cancel = cancel
	p.turn++
	mine := p.turn
	p.gone.Stop()
	return ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		cancel()
		switch {
		case p.ended: // and nobody comes back to it
		case p.turn != mine:
			p.wake() // the token that this one may have taken is the other's
		case parent.Err() != nil:
			p.gone.Reset(lostGap)
		default:
			p.gone.Reset(pollGap)
		}
	}
}

func (p *polled) wake() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}

func (t *LongPoll) reserve(id string, p *polled) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.closed:
		return errStopping
	case len(t.sessions) >= maxPolled:
		return &Bye{Code: CodeTooMany, Reason: "this node has reached its limit of long-poll sessions", RetryAfter: 30 * time.Second}
	case t.sessions == nil:
		t.sessions = make(map[string]*polled)
	}
	t.sessions[id] = p
	return nil
}

// begin gives a connection its session, unless Stop came before.
func (t *LongPoll) begin(id string, p *polled, session Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	p.session = session
	p.gone = time.AfterFunc(pollGap, func() { t.end(id, p, nil) })
	return true
}

func (t *LongPoll) find(id string) *polled {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sessions[id]
}

func (t *LongPoll) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, id)
}

// end forgets a connection, once, and tells its session. A poll that waits is
// answered with bye: an empty answer before its time would look like a cache's.
func (t *LongPoll) end(id string, p *polled, bye *Bye) {
	t.mu.Lock()
	found := t.sessions[id] == p
	delete(t.sessions, id)
	t.mu.Unlock()
	if found {
		if bye != nil {
			p.out.Bye(bye)
		}
		p.mu.Lock()
		p.gone.Stop()
		p.ended = true
		if p.cancel != nil {
			p.cancel() // nothing will come any more
		}
		p.mu.Unlock()
		p.session.Detach(p.out)
	}
}

// Stop ends every connection, for a node that stops.
func (t *LongPoll) Stop() {
	t.mu.Lock()
	t.closed = true
	all := maps.Clone(t.sessions)
	maps.DeleteFunc(all, func(_ string, p *polled) bool { return p.session == nil }) // Open sees that it is over
	t.mu.Unlock()
	for id, p := range all {
		t.end(id, p, errStopping)
	}
}

func readFrame(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	return readBody(w, r, maxFrame)
}

func readBody(w http.ResponseWriter, r *http.Request, most int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, errIncomplete
	}
	return b, nil
}

func answer(w http.ResponseWriter, frame []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(frame)
}

func appendPoll(dst []byte, id, seq uint64, frames [][]byte) []byte {
	dst = append(dst, '{')
	if id != 0 {
		dst = append(dst, `"id":`...)
		dst = strconv.AppendUint(dst, id, 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"frames":[`...)
	for i, f := range frames {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f...)
	}
	return append(dst, "]}"...)
}
