// Package forward passes the requests of a session to the node that has it. A page that sends each
// frame in a request of its own may so use a load balancer that sends each request to any node.
//
// The id of a session begins with the name of its node. The node that gets the request sends it to
// that node, in a NATS message that is not stored, and asks for the parts of the response one
// after the other. So the response is made where the session is, as if the client were connected
// there, and no faster than the client reads it:
//
//	client ── request ──→ forwarder ── request ──→ home: the handler of the request
//	client ←─── head ──── forwarder ←── part 1 ─── home
//	client ←─── body ──── forwarder ─── more ────→ home
//	                      forwarder ←── part 2 ─── home, when the handler flushes it or returns
//
// If the client goes away, the forwarder sends cancel, and the context of the handler ends. If the
// forwarder is gone, the handler cannot write its next part. If the home is gone, nobody hears its
// subject, and the client gets 410 at once; if the home has lost NATS, within 8 s. If NATS has lost a message between
// the two, the forwarder learns it from the home within seconds: it passes a poll on again, and ends a stream. If the
// forwarder has lost NATS, it redirects the client to the same address: the load balancer may send that
// request to another node. If the forwarder stops, it asks the home to answer its polls at once, and ends event streams
// with a cancel that says so: the client asks again, over another node, and the home waits for it.
package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// maxRequests is the number of requests that a node passes on at once, and the number that
	// it answers for others.
	maxRequests = 20_000
	// partWait is how long a part of a response may take: a poll waits PollWait.
	partWait = transport.PollWait + 5*time.Second
	// reachAfter is how long a part may take before the forwarder asks whether the home has the request, and
	// the time between two such questions. reachWait is how long the answer may take.
	reachAfter, reachWait = 3 * time.Second, 2 * time.Second
	// maxTries is how often a poll is passed on if its answer is lost.
	maxTries = 3
	// lastWait is how long the last requests may take when the node stops.
	lastWait = 500 * time.Millisecond
	// maxClose is the largest body of a close, in bytes.
	maxClose = 1 << 10
)

// Config is what is needed of a node.
type Config struct {
	Broker *broker.Broker
	// Handlers answer the requests of the sessions of this node, by the last part of their path.
	Handlers map[string]http.HandlerFunc
	// Alive sends a session of this node a frame that says nothing.
	Alive  func(session string)
	Limits transport.Limits
	Log    *slog.Logger
	// Retry returns after what time a page tries again when the node has stopped.
	Retry func() time.Duration
}

// Forwarder passes requests on, and answers those of other nodes. New makes one.
type Forwarder struct {
	Config
	most    int // maxRequests
	results *prometheus.CounterVec
	working context.Context // ends with stop
	stop    context.CancelFunc

	mu        sync.Mutex // guards the following fields; no other lock is taken under it
	passing   int        // requests that are passed on
	exchanges map[string]*exchange
	homes     map[string]map[*waiter]bool // the requests for which a node is asked, by its name
	closed    bool
	answering sync.WaitGroup
}

// New returns the forwarder of a node. Other nodes can reach it until the broker is closed.
func New(c Config) *Forwarder {
	f := &Forwarder{Config: c, most: maxRequests, results: newResults(), exchanges: make(map[string]*exchange), homes: make(map[string]map[*waiter]bool)}
	f.working, f.stop = context.WithCancel(context.Background())
	if !c.Broker.IsAlone() {
		c.Broker.Hear(subject(c.Broker.Node(), "*"), f.hear)
	}
	return f
}

func subject(node, kind string) string { return broker.NodeSubjects + node + "." + kind }

// Prefix is what the ids of the sessions of this node begin with. A node's name is random, and
// alone it is of no use: a request needs the rest of the id.
func (f *Forwarder) Prefix() string {
	if f.Broker.IsAlone() {
		return ""
	}
	return f.Broker.Node() + "."
}

// name matches the names of nodes. They are a part of a subject.
var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// homeOf returns the node that has a session, or "" if it is this one.
func (f *Forwarder) homeOf(session string) string {
	node, _, found := strings.Cut(session, ".")
	if !found || node == f.Broker.Node() || f.Broker.IsAlone() || !name.MatchString(node) {
		return ""
	}
	return node
}

// Stop ends the requests that this node passes on, and refuses further ones. Polls are answered first. A
// node that drains passes requests on until then: the load balancer sends them until it has noticed.
func (f *Forwarder) Stop() { f.stop() }

// Handler returns the handler of the requests whose path ends with a name. A test stream needs no
// session: the node that gets the request answers it, because it knows the client's address.
func (f *Forwarder) Handler(name string) http.HandlerFunc {
	local := f.Handlers[name]
	return func(w http.ResponseWriter, r *http.Request) {
		session := r.Header.Get(transport.SessionHeader)
		if name == "close" {
			session = sessionOf(r)
		}
		home := f.homeOf(session)
		if home == "" || r.URL.Query().Has("test") {
			local(w, r)
			return
		}
		if !f.Broker.IsConnected() && f.elsewhere(w, r) {
			return
		}
		if !f.begin() {
			f.results.WithLabelValues(refused).Inc()
			transport.Refuse(w, errTooMany)
			return
		}
		defer f.end()
		f.pass(w, r, home, session, name)
	}
}

// sessionOf returns the session that the body of a close names. The body can be read again.
func sessionOf(r *http.Request) string {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxClose+1))
	rest := io.Reader(r.Body)
	if err != nil {
		rest = failed{err}
	}
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b), rest))
	form, _ := url.ParseQuery(string(b)) // the session's node refuses what is not a form
	return form.Get("session")
}

// failed is a reader that has failed.
type failed struct{ error }

func (f failed) Read([]byte) (int, error) { return 0, f.error }

var errTooMany = &transport.Bye{Code: transport.CodeTooMany, Reason: "too many requests of sessions of other nodes at once", RetryAfter: time.Second}

// begin counts a request, unless there are too many.
func (f *Forwarder) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.passing >= f.most {
		return false
	}
	f.passing++
	return true
}

func (f *Forwarder) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.passing--
}

// pass passes a request on, and writes the parts of the response.
func (f *Forwarder) pass(w http.ResponseWriter, r *http.Request, home, session, name string) {
	if err := f.working.Err(); err != nil {
		f.refuse(w, r, err)
		return
	}
	body, err := transport.ReadBody(r, transport.MaxFrame, f.Limits)
	if err != nil {
		transport.Refuse(w, err)
		return
	}
	defer body.Release()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	m := request(r, home, session, name, body.Bytes)
	defer f.endWithNode(ctx, cancel, home, session, name)()
	defer func() { f.tellEnd(home, m.Header.Get(idField)) }()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the deadline of a request would end a poll
	begin := time.Now()
	part, err := f.ask(ctx, home, m)
	for tries := 1; tries < maxTries && name == "poll" && isLost(err); tries++ {
		m = request(r, home, session, name, body.Bytes) // the home ends the earlier poll when it gets this one
		late := time.AfterFunc(max(lastWait, transport.PollWait-time.Since(begin)), func() { f.endPoll(home, session) })
		part, err = f.ask(ctx, home, m)
		late.Stop()
	}
	for begun := false; ; begun = true {
		switch {
		case err != nil && !begun:
			f.refuse(w, r, err)
			return
		case err != nil && f.working.Err() != nil && name == "events":
			return // the page requests the next stream
		case err != nil, part.Header.Get(abortedField) != "":
			f.results.WithLabelValues(f.resultOf(err, aborted)).Inc()
			panic(http.ErrAbortHandler) // the client handles it like a response that a proxy has cut
		}
		if !begun {
			writeHead(w, part)
		}
		transport.LimitWrite(w, len(part.Data))
		if _, err := w.Write(part.Data); err != nil {
			f.results.WithLabelValues(left).Inc()
			return
		}
		if part.Header.Get(lastField) != "" {
			f.results.WithLabelValues(answered).Inc()
			return
		}
		if control.Flush() != nil {
			f.results.WithLabelValues(left).Inc()
			return
		}
		m = message(home, "more", m.Header.Get(idField))
		part, err = f.ask(ctx, home, m)
	}
}

// tellEnd tells a home that the client gets no more parts of a response, and whether because this node stops: then the
// client may ask again. It does nothing if the response has ended.
func (f *Forwarder) tellEnd(home, id string) {
	m := message(home, "cancel", id)
	if f.working.Err() != nil {
		m.Header.Set(stopsField, "1")
	}
	_ = f.Broker.Tell(m)
}

// isLost reports whether a response may have been lost.
func isLost(err error) bool { return errors.Is(err, broker.ErrReplaced) || errors.Is(err, errLost) }

// endWithNode ends a request with cancel when this node stops. The function that it returns ends the request now.
func (f *Forwarder) endWithNode(ctx context.Context, cancel func(), home, session, name string) (end func()) {
	finished := make(chan struct{})
	unneeded := context.AfterFunc(f.working, func() {
		defer close(finished)
		f.finish(ctx, home, session, name)
		cancel()
	})
	return func() {
		cancel()
		if !unneeded() {
			<-finished
		}
	}
}

// finish returns when a request is to end because this node stops: a stream at once, since the page requests the
// next one, and others when they are answered, which ends ctx, or lastWait is over.
func (f *Forwarder) finish(ctx context.Context, home, session, name string) {
	if name == "events" {
		return
	}
	if name == "poll" {
		f.endPoll(home, session) // otherwise the request ends after lastWait
	}
	select {
	case <-ctx.Done():
	case <-time.After(lastWait):
	}
}

// endPoll has the home answer the poll of a session now.
func (f *Forwarder) endPoll(home, session string) {
	m := nats.NewMsg(subject(home, "alive"))
	m.Header.Set(transport.SessionHeader, session)
	_ = f.Broker.Tell(m)
}

// ask asks for the next part of a response. It returns as soon as the home cannot be reached, or does not know that it
// is asked.
func (f *Forwarder) ask(ctx context.Context, home string, m *nats.Msg) (*nats.Msg, error) {
	ctx, stop := context.WithTimeout(ctx, partWait)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer f.watchHome(home, m.Header.Get(idField), cancel)()
	part, err := f.Broker.Ask(ctx, m)
	if cause := context.Cause(ctx); err != nil && (cause == errLost || cause == nats.ErrNoResponders) {
		err = cause
	}
	return part, err
}

// refuse answers a request whose session cannot be reached. If its node is gone, the page opens
// another session.
func (f *Forwarder) refuse(w http.ResponseWriter, r *http.Request, err error) {
	result := f.resultOf(err, unreachable)
	if result == unreachable && f.elsewhere(w, r) {
		return
	}
	f.results.WithLabelValues(result).Inc()
	switch result {
	case refused:
		transport.Refuse(w, &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: f.Retry()})
	case gone:
		transport.Refuse(w, transport.ErrGone)
	default:
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "the node of this session cannot be reached", http.StatusServiceUnavailable)
	}
}
