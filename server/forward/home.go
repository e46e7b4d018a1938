package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/transport"
)

// The fields of the headers of messages, besides those of requests and responses.
const (
	idField      = "Heartbeatd-Id"      // of the request
	methodField  = "Heartbeatd-Method"  // of a request
	nameField    = "Heartbeatd-Name"    // of the handler of a request
	queryField   = "Heartbeatd-Query"   // of a request
	stopsField   = "Heartbeatd-Stops"   // of a cancel, if the node of the client stops: the client may ask again
	lacksField   = "Heartbeatd-Lacks"   // of a message that asks which requests the node does not have, or is not asked for
	statusField  = "Heartbeatd-Status"  // in the first part of a response
	lastField    = "Heartbeatd-Last"    // in the last part
	abortedField = "Heartbeatd-Aborted" // in the last part, if the handler has ended the connection
)

// maxPart is the number of bytes of a part of a response: less than NATS accepts in a message.
const maxPart = 64 << 10

func message(node, kind, id string) *nats.Msg {
	m := nats.NewMsg(subject(node, kind))
	m.Header.Set(idField, id)
	return m
}

// request returns the message for a request.
func request(r *http.Request, node, session, name string, body []byte) *nats.Msg {
	m := message(node, "request", rand.Text())
	m.Header.Set(methodField, r.Method)
	m.Header.Set(nameField, name)
	m.Header.Set(queryField, r.URL.RawQuery)
	m.Header.Set(transport.SessionHeader, session)
	m.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	m.Data = body
	return m
}

// writeHead writes the head of a response.
func writeHead(w http.ResponseWriter, part *nats.Msg) {
	for field, values := range part.Header {
		if !strings.HasPrefix(field, "Heartbeatd-") {
			w.Header()[field] = values
		}
	}
	status, err := strconv.Atoi(part.Header.Get(statusField))
	if err != nil {
		status = http.StatusBadGateway
	}
	w.WriteHeader(status)
}

// exchange is a request of another node that this node answers. It is the ResponseWriter of the
// handler.
type exchange struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	asked  chan *nats.Msg // the message that asks for the next part
	header http.Header
	status int
	part   bytes.Buffer
	parts  int // that were sent
}

// hear takes a message of another node.
func (f *Forwarder) hear(m *nats.Msg) {
	id := m.Header.Get(idField)
	kind := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	switch kind {
	case "alive":
		f.Alive(m.Header.Get(transport.SessionHeader))
		return
	case "request":
		if m.Header.Get(lacksField) != "" {
			f.lacks(m)
			return
		}
		if !f.answer(id, m) {
			refused := nats.NewMsg(m.Reply)
			refused.Header.Set(statusField, strconv.Itoa(http.StatusServiceUnavailable))
			refused.Header.Set(lastField, "1")
			_ = m.RespondMsg(refused) // otherwise the other node waits for nothing
		}
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.exchanges[id]
	switch {
	case x == nil:
	case kind == "cancel":
		if m.Header.Get(stopsField) != "" {
			x.cancel(transport.ErrAgain)
		}
		x.cancel(nil)
	case kind == "more":
		select {
		case x.asked <- m:
		default: // a node asks for one part at a time
		}
	}
}

// answer starts the handler of a request. It returns false if this node does not answer it.
func (f *Forwarder) answer(id string, m *nats.Msg) bool {
	handler := f.Handlers[m.Header.Get(nameField)]
	x := &exchange{asked: make(chan *nats.Msg, 1), header: make(http.Header), status: http.StatusOK}
	x.asked <- m
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || handler == nil || len(f.exchanges) >= f.most || f.exchanges[id] != nil {
		return false
	}
	x.ctx, x.cancel = context.WithCancelCause(context.Background())
	f.exchanges[id] = x
	f.answering.Go(func() {
		x.serve(handler, m, f.Log)
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.exchanges, id)
	})
	return true
}

// Answering returns the number of requests that this node answers for others.
func (f *Forwarder) Answering() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.exchanges)
}

// Close is Stop, ends the requests of other nodes, too, and waits for their handlers.
func (f *Forwarder) Close() {
	f.stop()
	f.mu.Lock()
	f.closed = true
	for x := range maps.Values(f.exchanges) {
		x.cancel(nil)
	}
	f.mu.Unlock()
	f.answering.Wait()
}

// serve calls the handler, and sends the last part of its response. As net/http does, it logs a
// panic and ends only this request.
func (x *exchange) serve(handler http.Handler, m *nats.Msg, log *slog.Logger) {
	defer x.cancel(nil)
	defer func() {
		v := recover()
		if v != nil && v != http.ErrAbortHandler {
			log.Error("a request of another node has caused a panic", "panic", v, "stack", string(debug.Stack()))
		}
		_ = x.send(true, v != nil)
	}()
	r := &http.Request{
		Method: m.Header.Get(methodField), URL: &url.URL{Path: "/" + m.Header.Get(nameField), RawQuery: m.Header.Get(queryField)},
		Header: http.Header{"Content-Type": m.Header["Content-Type"], transport.SessionHeader: m.Header[transport.SessionHeader]},
		Body:   io.NopCloser(bytes.NewReader(m.Data)), ContentLength: int64(len(m.Data)),
	}
	handler.ServeHTTP(x, r.WithContext(x.ctx))
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.header }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) { x.status = status }

// Write implements http.ResponseWriter. Once the part is full it waits for the client.
func (x *exchange) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		k := min(len(p), maxPart-x.part.Len())
		x.part.Write(p[:k])
		n, p = n+k, p[k:]
		if x.part.Len() == maxPart && len(p) > 0 {
			err = x.send(false, false)
		}
	}
	return n, err
}

// FlushError is called by http.ResponseController.
func (x *exchange) FlushError() error { return x.send(false, false) }

// SetWriteDeadline is called by http.ResponseController. The node of the client has a deadline.
func (x *exchange) SetWriteDeadline(time.Time) error { return nil }

var errNotAsked = errors.New("the node of the client does not ask for more")

// send sends a part when it is asked for.
func (x *exchange) send(last, aborted bool) error {
	m, err := x.wait()
	if err != nil {
		return err
	}
	part := nats.NewMsg(m.Reply)
	if x.parts == 0 {
		part.Header = nats.Header(x.header)
		part.Header.Set(statusField, strconv.Itoa(x.status))
	}
	if last {
		part.Header.Set(lastField, "1")
	}
	if aborted {
		part.Header.Set(abortedField, "1")
	}
	part.Data = bytes.Clone(x.part.Bytes())
	x.part.Reset()
	x.parts++
	return m.RespondMsg(part)
}

// wait returns the message that asks for the next part. If the other node has asked already, it gets
// the part also when the request has ended: otherwise it waits for a node that has stopped.
func (x *exchange) wait() (*nats.Msg, error) {
	select {
	case m := <-x.asked:
		return m, nil
	default:
	}
	timer := time.NewTimer(transport.WriteTimeout)
	defer timer.Stop()
	select {
	case m := <-x.asked:
		return m, nil
	case <-x.ctx.Done():
		return nil, context.Cause(x.ctx)
	case <-timer.C:
		return nil, errNotAsked
	}
}
