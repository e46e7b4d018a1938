package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// maxHops is how often a request is redirected to another node.
const maxHops = 3

const (
	// maxAsked is about how many requests a node is asked at once: their ids take less than a part of a response.
	maxAsked = 2000
	// underWay is how long a part may be under way that the home sends when it is asked about the request.
	underWay = 200 * time.Millisecond
)

// hopsField is the query parameter that counts the redirects of a request.
const hopsField = "hops"

// Elsewhere redirects a request until it reaches a node that has NATS: the sessions of a node without it cannot be
// reached over other nodes. After maxHops it calls next, since perhaps no node has NATS.
func (f *Forwarder) Elsewhere(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if f.Broker.Ready() == nil || !f.elsewhere(w, r) {
			next(w, r)
		}
	}
}

// elsewhere redirects a request to the same address, and reports whether it has. The address is relative, since a
// proxy may have changed the path.
func (f *Forwarder) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	hops, _ := strconv.Atoi(query.Get(hopsField))
	if f.Broker.IsAlone() || hops < 0 || hops >= maxHops {
		return false
	}
	f.results.WithLabelValues(redirected).Inc()
	query.Set(hopsField, strconv.Itoa(hops+1))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path.Base(r.URL.Path)+"?"+query.Encode())
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

// waiter is a request that waits for a part of its response.
type waiter struct {
	id     string
	cancel context.CancelCauseFunc
}

// errLost says that the home of a session is not asked for a part any more: the question or the answer is lost.
var errLost = errors.New("the answer of another node is lost")

// watchHome ends a request with cancel if the home of its session does not answer, or is not asked for the next part: a
// poll is silent until there are frames, NATS may take minutes to notice that a node is cut off, and messages are
// lost while its servers find each other again. After reachAfter the request joins those for which the home is asked. The
// function that it returns ends that.
func (f *Forwarder) watchHome(home, id string, cancel context.CancelCauseFunc) (end func()) {
	w := &waiter{id, cancel}
	joining := time.AfterFunc(reachAfter, func() { f.join(home, w) })
	return func() {
		joining.Stop()
		f.mu.Lock()
		defer f.mu.Unlock()
		w.cancel = nil // join does nothing any more
		delete(f.homes[home], w)
	}
}

func (f *Forwarder) join(home string, w *waiter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch waiting := f.homes[home]; {
	case w.cancel == nil || f.closed:
	case waiting != nil:
		waiting[w] = true
	default:
		f.homes[home] = map[*waiter]bool{w: true}
		f.answering.Go(func() { f.askHome(home) })
	}
}

// askHome asks a node every reachAfter until no request waits for it, or it does not answer.
func (f *Forwarder) askHome(home string) {
	again := time.NewTicker(reachAfter)
	defer again.Stop()
	for {
		waiting := f.waitersFor(home)
		if len(waiting) == 0 {
			return
		}
		for asked := range slices.Chunk(waiting, maxAsked) {
			if !f.endLost(home, asked) {
				break
			}
		}
		select {
		case <-again.C:
		case <-f.working.Done():
		}
	}
}

// waitersFor returns the requests that wait for a node. If there are none, the node is no longer asked.
func (f *Forwarder) waitersFor(home string) []*waiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.working.Err() != nil || len(f.homes[home]) == 0 {
		delete(f.homes, home)
		return nil
	}
	return slices.Collect(maps.Keys(f.homes[home]))
}

// endLost asks a node which of some requests it does not have, or is not asked for, and ends these. If the node does not
// answer, it ends all that wait for it, and returns false. If the question does not reach NATS, nothing is known. A
// node of a version that does not understand the question answers that it lacks none.
func (f *Forwarder) endLost(home string, asked []*waiter) bool {
	m := message(home, "request", rand.Text())
	m.Header.Set(lacksField, "1")
	for _, w := range asked {
		m.Data = append(append(m.Data, w.id...), '\n')
	}
	ctx, cancel := context.WithTimeout(f.working, reachWait)
	defer cancel()
	answer, err := f.Broker.Ask(ctx, m)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.working.Err() != nil:
		return false
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
		for w := range f.homes[home] {
			w.cancel(nats.ErrNoResponders)
		}
		clear(f.homes[home])
		return false
	case err == nil:
		lost := make(map[string]bool)
		for id := range strings.FieldsSeq(string(answer.Data)) {
			lost[id] = true
		}
		for _, w := range asked {
			if end := w.cancel; end != nil && lost[w.id] {
				time.AfterFunc(underWay, func() { end(errLost) }) // nothing, if the part has come
			}
		}
	}
	return true
}

// lacks answers which of the requests that a message names this node does not have, or has and is not asked for.
func (f *Forwarder) lacks(m *nats.Msg) {
	answer := nats.NewMsg(m.Reply)
	f.mu.Lock()
	for id := range strings.FieldsSeq(string(m.Data)) {
		if x := f.exchanges[id]; x == nil || len(x.asked) == 0 {
			answer.Data = append(append(answer.Data, id...), '\n')
		}
	}
	f.mu.Unlock()
	_ = m.RespondMsg(answer) // otherwise this node counts as cut off
}
