//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

const (
	// revokeEvery is the time between two log-outs, and revokeWait how long a revocation may need to
	// be accepted after the round.
	revokeEvery = 3 * time.Second
	revokeWait  = 30 * time.Second
	// keptTickets is the number of revoked tickets that are tried again after each round.
	keptTickets = 20
)

// revocation is a log-in that was ended.
type revocation struct {
	user   backend.User
	pages  []*page.Page
	ticket string
}

// revoker logs users out.
type revoker struct {
	cluster *cluster
	revoked []revocation
	errs    []string
}

func newRevoker(c *cluster) *revoker { return &revoker{cluster: c} }

// run logs users out until live ends.
func (r *revoker) run(live, ctx context.Context) {
	for pause(live, revokeEvery) == nil {
		wait, cancel := context.WithTimeout(ctx, r.cluster.ttl*4+revokeWait)
		user, pages, err := r.cluster.crowd.logOut(wait)
		cancel()
		if err != nil {
			r.errs = append(r.errs, fmt.Sprintf("the revocation of user %d was not accepted: %v", user.ID, err))
		} else if len(pages) > 0 {
			r.revoked = append(r.revoked, revocation{user, pages, pages[0].State().Ticket})
		}
	}
}

// check returns which pages of revoked users are still open, and on which nodes revoked tickets
// are accepted, also those of earlier rounds.
func (r *revoker) check() []string {
	wrong := r.errs
	for _, one := range r.revoked {
		for _, p := range one.pages {
			if s := p.State(); s.Out == "" {
				wrong = append(wrong, fmt.Sprintf("a %v is still open after the revocation", p))
			}
		}
	}
	c := r.cluster
	c.revoked = append(c.revoked, r.revoked...)
	var refused []revocation // by all nodes
	accepted := make(map[string]int)
	for _, one := range c.revoked {
		good := true
		for _, n := range c.nodes {
			if status := openWith(n.Public, one.ticket); status != http.StatusForbidden {
				good = false
				accepted[fmt.Sprintf("%s answers %%d of %d revoked tickets with %d", n.Name, len(c.revoked), status)]++
			}
		}
		if good {
			refused = append(refused, one)
		}
	}
	for text, n := range accepted {
		wrong = append(wrong, fmt.Sprintf(text, n))
	}
	c.revoked = refused[max(0, len(refused)-keptTickets):]
	return wrong
}

// openWith opens a page with a ticket on a node, and returns the status of the answer.
func openWith(address, ticket string) int {
	hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"a-revoked-page","body":""}`, ticket)
	r, err := direct.Post("http://"+address+"/heartbeat/open", "application/json", strings.NewReader(hello))
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return r.StatusCode
}
