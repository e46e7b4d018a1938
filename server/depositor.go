package server

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// depositSpread is the time over which pages that wait for a new value spread their beats,
	// for each page of this node: PHP may answer these beats, twenty in a second. The whole
	// time is at most message.MaxSpread.
	depositSpread = 50 * time.Millisecond
	// restoreWait is the time after which a node tries again to restore deposits.
	restoreWait = time.Second
)

// depositor stores the values that nodes publish, and tells the pages of this node which
// handles have one.
type depositor struct {
	store    *deposit.Store
	sites    *sites
	sessions *sessions
	broker   *broker.Broker
	log      *slog.Logger
	lost     chan struct{} // NATS has lost the deposits
	outdated chan struct{} // NATS has an older deposit than this node

	mu    sync.Mutex // guards epoch; no other lock is taken under it
	epoch string     // of the stream
}

// subscribed is called with the stream's position before its messages are received. A
// stream with another epoch is a new one, which may lack deposits that this node has.
func (d *depositor) subscribed(_ uint64, tip topic.Cursor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.epoch != "" && d.epoch != tip.Epoch {
		signal(d.lost)
	}
	d.epoch = tip.Epoch
}

// signal sends to a channel with room for one, if it is empty.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// receive handles a value that a node published.
func (d *depositor) receive(m broker.Message) {
	if m.Data == nil {
		return
	}
	msg, err := message.DecodeDeposit(m.Data)
	if err != nil {
		d.log.Warn("a deposit on NATS is invalid", "error", err)
		return
	}
	changed, outdated := d.store.Put(m, msg, d.broker.Now())
	if outdated {
		signal(d.outdated)
	}
	if !changed {
		return
	}
	pages := d.pages(m.Site, msg.To)
	spread := min(time.Duration(max(0, len(pages)-1))*depositSpread, message.MaxSpread)
	for _, s := range pages {
		s.takeDeposit(msg.Handle, spread)
	}
}

// pages returns the sessions of this node that a target includes.
func (d *depositor) pages(siteID string, to message.Target) []*session {
	if to.Room == "" {
		return d.sessions.appendTargets(nil, siteID, to)
	}
	st := d.sites.get(siteID)
	if st == nil {
		return nil
	}
	return st.listeners(to.Room)
}

// run removes expired deposits, and writes those of this node again when NATS has lost
// them or has older ones, until stop is closed. A value that another node has published
// meanwhile is kept.
func (d *depositor) run(stop <-chan struct{}) {
	sweep := time.NewTicker(time.Minute)
	defer sweep.Stop()
	var again <-chan time.Time
	for {
		outdated := false
		select {
		case <-stop:
			return
		case <-sweep.C:
			d.store.Sweep(d.broker.Now())
			continue
		case <-d.outdated:
			outdated = true
		case <-d.lost:
		case <-again:
		}
		if err := d.restore(stop, outdated); err != nil {
			d.log.Warn("deposits cannot be restored on NATS, trying again", "error", err)
			again = time.After(restoreWait)
		}
	}
}

func (d *depositor) restore(stop <-chan struct{}, outdated bool) error {
	for _, c := range d.store.Copies(outdated, d.broker.Now()) {
		select {
		case <-stop:
			return nil
		default:
		}
		b, err := c.Message.Encode()
		if err == nil {
			err = d.broker.Restore(context.Background(), topic.Deposits, c.Site, c.Message.Key(), b, time.UnixMilli(c.Message.KeepMS), c.Over)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pageOf returns the page that verified claims describe.
func pageOf(c *ticket.Claims) deposit.Page {
	user := c.User()
	return deposit.Page{User: user.ID, Rooms: user.Hears(), Can: c.Can}
}

// takeDeposit tells the page of a handle whose deposits have changed. If that gives the page
// a new value, it is told, even if PHP answers its beats.
func (s *session) takeDeposit(handle string, spread time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.sendDeposits(handle, spread)
	}
}

// sendDeposits tells the page which handles have a value for it, if that has changed, or if
// the handle changed has a new value. It is called with s.mu held.
func (s *session) sendDeposits(changed string, spread time.Duration) {
	held := s.deposits.Held(s.site.ID, pageOf(s.claims), s.broker.Now())
	isNew := func(h deposit.Held) bool { return h.Handle == changed && !slices.Contains(s.values, h) }
	if !slices.ContainsFunc(held, isNew) {
		changed = ""
	}
	s.values = held
	var handles []string
	if s.claims.Deposits {
		handles = deposit.Names(held)
	}
	if changed == "" && slices.Equal(handles, s.deposited) {
		return
	}
	s.deposited = handles
	s.Send(deposit.Frame(handles, changed, spread))
}

// misses reports whether a beat has a handle without a value, although the page was told
// that there is one: it has expired. It is called with s.mu held.
func (s *session) misses(c *hook.Call) bool {
	return slices.ContainsFunc(s.deposited, func(handle string) bool { return c.Data.Has(handle) && !c.HasDeposit(handle) })
}
