package restapi

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// networkRevocations are the newest revocations of all tickets of networks.
type networkRevocations struct {
	calls singleflight.Group

	mu    sync.Mutex       // guards until; no other lock is taken under it
	until map[string]int64 // by network, in Unix ms: the end of a second
}

// revokeNetwork revokes all tickets of a site's network that were issued until the end of a
// second. It does so in place of single revocations that the site's budget does not allow: no
// ticket may stay valid because of the budget. One revocation a second is enough for a network,
// so their number is limited.
func (a *api) revokeNetwork(ctx context.Context, site string, untilMS int64) error {
	network := a.Network(site)
	untilMS = untilMS/1000*1000 + 999
	_, err, _ := a.revoked.calls.Do(network+" "+strconv.FormatInt(untilMS, 10), func() (any, error) {
		if a.revoked.has(network, untilMS) {
			return nil, nil
		}
		data, err := json.Marshal(ticket.Revocation{Network: true, Until: untilMS})
		if err == nil {
			_, err = a.Broker.PublishOverBudget(context.WithoutCancel(ctx), topic.Revocations, site, data)
		}
		if err == nil {
			a.revoked.add(network, untilMS)
		}
		return nil, err
	})
	return err
}

// has reports whether all tickets of a network that were issued until a time are revoked.
func (r *networkRevocations) has(network string, untilMS int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until[network] >= untilMS
}

// add adds a revocation. It forgets those that are so old that no valid key was issued then.
func (r *networkRevocations) add(network string, untilMS int64) {
	oldest := time.Now().Add(-ticket.KeyLife - 2*ticket.ClockSkew).UnixMilli()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.until == nil {
		r.until = make(map[string]int64)
	}
	maps.DeleteFunc(r.until, func(_ string, until int64) bool { return until < oldest })
	r.until[network] = max(r.until[network], untilMS)
}
