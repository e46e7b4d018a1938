// Package lockrenewal renews the post locks of open editors: those of all pages that a site has on
// this node with one call to WordPress, instead of one beat for each page.
//
// WordPress renews a lock only if the user and the document that the page names hold it. What lists
// and editors show of a renewed lock is pushed to the post's room. A page whose lock is not renewed
// beats, and WordPress answers it. If a call fails, pages beat to WordPress before their locks
// expire, as they do without calls.
package lockrenewal

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/room"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// maxLocks is the maximum number of locks of a call, and maxCalls of sites that are called at a
	// time. A site is called by one call after the other.
	maxLocks = 100
	maxCalls = 8
	// look is how often a node looks which site's locks must be renewed.
	look = time.Second
	// callTimeout is how long WordPress may take for a call. A page asks WordPress itself 100 s
	// after its lock was renewed last.
	callTimeout = 10 * time.Second
	// maxChange is the maximum number of bytes of what lists show of a lock.
	maxChange = 4 << 10
)

// Node is the node that renews locks.
type Node struct {
	sitecall.Access
	Logger *slog.Logger
	// Sites returns the IDs and states of the sites of this node.
	Sites iter.Seq2[string, *State]
	// Publish sends what lists and editors show of a renewed lock to the pages of all nodes.
	Publish func(ctx context.Context, siteID string, m message.Message) error
}

// request is the body of a call.
type request struct {
	Locks []Lock `json:"locks"`
}

// answer is the answer to a call: for each lock of the request, in the same order.
type answer struct {
	Locks []struct {
		Renewed bool            `json:"renewed"`
		Room    string          `json:"room"`
		Change  json.RawMessage `json:"change"` // what lists show of a renewed lock
	} `json:"locks"`
}

// renewer renews the locks of sites.
type renewer struct {
	Node
	caller *sitecall.Caller
}

// Run renews the locks of sites until stop is closed.
func Run(n Node, stop <-chan struct{}) {
	r := &renewer{n, sitecall.New(callTimeout)}
	ctx, cancel := context.WithCancel(context.Background())
	group := new(errgroup.Group)
	group.SetLimit(maxCalls)
	tick := time.NewTicker(look)
	defer func() {
		tick.Stop()
		cancel()
		_ = group.Wait()
		r.caller.Close()
	}()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		for id, state := range n.Sites {
			if !state.due(time.Now()) {
				continue
			}
			group.TryGo(func() error { // at the limit of calls it is retried at the next tick
				r.renew(ctx, id, state)
				return nil
			})
		}
	}
}

// renew makes the calls of a site that are due.
func (r *renewer) renew(ctx context.Context, siteID string, state *State) {
	url, pages, begun := state.begin(time.Now())
	if !begun {
		return
	}
	err := r.CheckURL(siteID, url)
	if err == nil && r.PublicOnly(siteID, url) {
		ctx = sitecall.PublicOnly(ctx)
	}
	for chunk := range slices.Chunk(pages, maxLocks) {
		if err != nil {
			break
		}
		err = r.call(ctx, siteID, url, state, chunk)
	}
	if first := state.end(err != nil); first && ctx.Err() == nil {
		r.Logger.Warn("post locks cannot be renewed in WordPress: pages renew them with their beats", "site", siteID, "error", err)
	}
}

// call makes one call.
func (r *renewer) call(ctx context.Context, siteID, url string, state *State, pages []held) error {
	body := request{Locks: make([]Lock, len(pages))}
	for i, p := range pages {
		body.Locks[i] = p.lock
	}
	var a answer
	if err := r.caller.Post(ctx, siteID, r.Secret(siteID), r.Now(siteID), url, body, &a); err != nil {
		return err
	}
	r.Answered(siteID, url)
	var unpublished error
	for i, p := range pages {
		if i >= len(a.Locks) || !a.Locks[i].Renewed {
			state.Forget(p.page)
			p.page.Send(room.NudgeFrame(0, false)) // it asks WordPress now
			continue
		}
		if m, ok := push(p.lock, a.Locks[i].Room, a.Locks[i].Change); ok && unpublished == nil {
			unpublished = r.Publish(ctx, siteID, m)
		}
	}
	if unpublished != nil && ctx.Err() == nil {
		r.Logger.Warn("renewed post locks cannot be pushed: their pages ask WordPress", "site", siteID, "error", unpublished)
	}
	return nil
}

// push returns the push about a renewed lock, if the answer has what pages show.
func push(l Lock, name string, change json.RawMessage) (m message.Message, ok bool) {
	post, ok := wordpress.ParsePostRoom(name)
	if !ok || post.ID != l.PostID || len(change) == 0 || len(change) > maxChange {
		return m, false
	}
	data, err := json.Marshal(map[string]any{"heartbeatd": map[string]json.RawMessage{"lock": change}})
	return message.Message{Kind: message.Push, To: message.Target{Room: name}, Data: data}, err == nil
}
