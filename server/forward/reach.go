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

// Elsewhere redirects requests for the first node that has NATS: the sessions of a node without it cannot be reached
// over other nodes. After maxHops it calls next, since perhaps no node has NATS.
func (f *Forwarder) Elsewhere(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !f.elsewhere(w, r) {
			next(w, r)
		}
	}
}

// elsewhere redirects a request to the same address if this node has no NATS, and reports whether it has. The address
// is relative, since a proxy may have changed the path.
func (f *Forwarder) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	hops, _ := strconv.Atoi(query.Get(hopsField))
	if f.Broker.IsAlone() || f.Broker.Ready() == nil || hops < 0 || hops >= maxHops {
		return false
	}
	query.Set(hopsField, strconv.Itoa(hops+1))
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", path.Base(r.URL.Path)+"?"+query.Encode())
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}

// watchHome ends a request with cancel if the home of its session does not answer. A poll is silent until there are
// frames, and NATS may take minutes to notice that a node is cut off: so watchHome asks the home itself, unless the
// request has ended before. unreached ends the watch, and reports whether it has ended the request.
func (f *Forwarder) watchHome(ctx context.Context, cancel func(), home string) (unreached func() bool) {
	ctx, stop := context.WithCancel(ctx)
	isUnreached, asked := false, make(chan struct{})
	watch := time.AfterFunc(reachAfter, func() {
		defer close(asked)
		limited, release := context.WithTimeout(ctx, reachWait)
		defer release()
		// A request for no handler is refused at once.
		_, err := f.Broker.Ask(limited, message(home, "request", rand.Text()))
		if ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders)) {
			isUnreached = true
			cancel()
		}
	})
	return func() bool {
		stop()
		if !watch.Stop() {
			<-asked
		}
		return isUnreached
	}
}
