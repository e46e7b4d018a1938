package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/deposit"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// Pages that wait for a new value beat within depositSpread for each of them, at most
	// within maxDepositSpread.
	depositSpread    = 10 * time.Millisecond
	maxDepositSpread = time.Second
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

	mu    sync.Mutex // guards epoch; no other lock is taken under it
	epoch string     // of the stream
}

// subscribed is called with the stream's position before its messages are received. A
// stream with another epoch is a new one, which may lack deposits that this node has.
func (d *depositor) subscribed(tip broker.Cursor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.epoch != "" && d.epoch != tip.Epoch {
		select {
		case d.lost <- struct{}{}:
		default:
		}
	}
	d.epoch = tip.Epoch
}

// receive handles a value that a node published.
func (d *depositor) receive(m broker.Message) {
	var msg message.Deposit
	if err := json.Unmarshal(m.Data, &msg); err != nil {
		d.log.Warn("a deposit on NATS cannot be decoded", "error", err)
		return
	}
	now := time.Now()
	if !d.store.Put(m.Site, msg, now) {
		return
	}
	pages := d.pages(m.Site, msg.To)
	spread := min(time.Duration(max(0, len(pages)-1))*depositSpread, maxDepositSpread)
	for _, s := range pages {
		s.takeDeposit(msg, spread)
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
// them, until stop is closed. A value that another node has published meanwhile is kept.
func (d *depositor) run(stop <-chan struct{}) {
	sweep := time.NewTicker(time.Minute)
	defer sweep.Stop()
	var again <-chan time.Time
	for {
		select {
		case <-stop:
			return
		case <-sweep.C:
			d.store.Sweep(time.Now())
			continue
		case <-d.lost:
		case <-again:
		}
		again = nil
		if err := d.restore(stop); err != nil {
			d.log.Warn("deposits cannot be restored on NATS, trying again", "error", err)
			again = time.After(restoreWait)
		}
	}
}

func (d *depositor) restore(stop <-chan struct{}) error {
	for site, deposits := range d.store.All(time.Now()) {
		for _, msg := range deposits {
			select {
			case <-stop:
				return nil
			default:
			}
			b, err := msg.Encode()
			if err == nil {
				err = d.broker.Restore(context.Background(), broker.Deposits, site, msg.Key(), b)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// pageOf returns the page that verified claims describe.
func pageOf(c *ticket.Claims) deposit.Page {
	user := c.User()
	return deposit.Page{User: user.ID, Rooms: user.Hears(), Can: c.Can}
}

// takeDeposit tells the page of a deposit that is new, has another value, or has ended. A
// page whose beats PHP answers is told, too.
func (s *session) takeDeposit(d message.Deposit, spread time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
	case d.IsWithdrawal() || !s.deposits.Uses(s.site.ID, d, pageOf(s.claims), time.Now()):
		s.sendDeposits()
	default:
		s.deposited = s.depositedHandles()
		s.Send(depositsFrame(s.deposited, d.Handle, int(spread.Milliseconds())))
	}
}

// sendDeposits tells the page which handles have a value for it, if that has changed. It is
// called with s.mu held.
func (s *session) sendDeposits() {
	if handles := s.depositedHandles(); !slices.Equal(handles, s.deposited) {
		s.deposited = handles
		s.Send(depositsFrame(handles, "", 0))
	}
}

// depositedHandles returns the handles that have a value for the page. It is called with
// s.mu held.
func (s *session) depositedHandles() []string {
	if !s.claims.Deposits || !s.deposits.Has(s.site.ID) {
		return nil
	}
	return s.deposits.Handles(s.site.ID, pageOf(s.claims), time.Now())
}

// misses reports whether a beat has a handle without a value, although the page was told
// that there is one: it has expired. It is called with s.mu held.
func (s *session) misses(c *hook.Call) bool {
	return slices.ContainsFunc(s.deposited, func(handle string) bool { return c.Data.Has(handle) && !c.HasDeposit(handle) })
}

// depositsFrame writes the handles that have a value for a page. changed is the one with a
// new value, if any: a page that waits for it beats within spreadMS.
func depositsFrame(handles []string, changed string, spreadMS int) []byte {
	frame := struct {
		Type     string   `json:"type"`
		Handles  []string `json:"handles"`
		Changed  string   `json:"changed,omitempty"`
		SpreadMS int      `json:"spread_ms,omitempty"`
	}{"deposits", append([]string{}, handles...), changed, spreadMS}
	b, _ := json.Marshal(frame) // strings and a number: there is no error
	return b
}
