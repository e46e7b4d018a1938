package forward

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// maxHops is how often a request is redirected to another node.
const maxHops = 3

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

// waiter is a request that waits for the first part of its response.
type waiter struct {
	cancel    func()
	unreached bool // its home does not answer
}

// watchHome ends a request with cancel if the home of its session does not answer: a poll is silent until there are
// frames, and NATS may take minutes to notice that a node is cut off. After reachAfter the request
// joins those for which the home is asked. unreached ends that, and reports whether the request was ended.
func (f *Forwarder) watchHome(home string, cancel func()) (unreached func() bool) {
	w := &waiter{cancel: cancel}
	joining := time.AfterFunc(reachAfter, func() { f.join(home, w) })
	return func() bool {
		joining.Stop()
		f.mu.Lock()
		defer f.mu.Unlock()
		w.cancel = nil // join does nothing any more
		delete(f.homes[home], w)
		return w.unreached
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
	for f.awaited(home, f.reaches(home)) {
		select {
		case <-again.C:
		case <-f.working.Done():
		}
	}
}

// awaited reports whether requests still wait for a node. If it does not answer, they are ended.
func (f *Forwarder) awaited(home string, answers bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	waiting := f.homes[home]
	if !answers {
		for w := range waiting {
			w.unreached = true
			w.cancel()
		}
		clear(waiting)
	}
	if len(waiting) > 0 && f.working.Err() == nil {
		return true
	}
	delete(f.homes, home)
	return false
}

// reaches reports whether a node answers. If the question does not reach NATS, that is not known, and reaches returns true.
func (f *Forwarder) reaches(home string) bool {
	ctx, cancel := context.WithTimeout(f.working, reachWait)
	defer cancel()
	_, err := f.Broker.Ask(ctx, message(home, "request", rand.Text())) // a request for no handler is refused at once
	return f.working.Err() != nil || !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrNoResponders)
}
