package transport

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// ParkAfter is how long a request waits before its connection is parked: those of a page that gets frames
// all the time are answered sooner.
const ParkAfter = time.Second

// ErrAgain is the cause of the end of a request's context if the client is not gone, but sends the request again: the
// node that has passed the request on stops.
var ErrAgain = errors.New("the node that passed the request on has stopped")

// Receiver is a request that receives the frames of a session. Only the session's current one sends them to
// the client.
type Receiver struct {
	session *HTTPSession
	until   time.Time       // when it is over
	request context.Context // ends when the client is gone; of a parked connection, when the node stops
	conn    *parking.Conn   // nil while net/http has the connection

	taken context.Context // ends when another receiver takes over, or the session ends
	take  context.CancelFunc
}

// Receive makes a request the receiver of the session. The receiver before it is over. This one is over after d,
// when another one takes over, when the session ends, or when the client is gone. The caller must call Release, unless Park
// has returned true. The session ends if no other receiver follows within 10 seconds, or within one second if the client
// is gone and the cause is not ErrAgain. The error is ErrGone.
func (h *HTTPSession) Receive(r *http.Request, d time.Duration) (*Receiver, error) {
	c := &Receiver{session: h, until: time.Now().Add(d), request: r.Context()}
	c.taken, c.take = context.WithCancel(context.Background())
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return nil, ErrGone
	}
	if h.receiver != nil {
		h.receiver.end()
	}
	h.receiver = c
	h.gap.Stop()
	return c, nil
}

// end is called with HTTPSession.mu held.
func (c *Receiver) end() {
	c.take()
	if c.conn != nil {
		c.conn.Wake()
	}
}

// MayPark reports whether Park may take the connection.
func (c *Receiver) MayPark(r *http.Request) bool { return c.session.of.Lot.Takes(r) }

// Park calls serve with the connection of the receiver's request, outside of net/http, and returns true: the handler must
// return. serve returns whether the connection can be used again. If it stays with net/http, Park returns false at once.
func (c *Receiver) Park(w http.ResponseWriter, r *http.Request, serve func(*parking.Conn) bool) bool {
	h := c.session
	return h.of.Lot.Park(w, r, func(conn *parking.Conn) bool {
		defer c.Release()
		c.request = conn.Context()
		h.mu.Lock()
		c.conn = conn
		if h.receiver == c {
			h.parked.Store(conn)
		}
		h.mu.Unlock()
		return serve(conn)
	})
}

// Release ends the receiver.
func (c *Receiver) Release() {
	h := c.session
	h.mu.Lock()
	defer h.mu.Unlock()
	c.take()
	h.parked.CompareAndSwap(c.conn, nil)
	if h.receiver != c {
		h.wake() // this one may have received the other receiver's token
		return
	}
	h.receiver = nil
	switch {
	case h.ended:
	case c.isGone() && !errors.Is(context.Cause(c.request), ErrAgain):
		h.gap.Reset(lostGap)
	default:
		h.gap.Reset(receiveGap)
	}
}

// isGone reports whether the client is gone.
func (c *Receiver) isGone() bool {
	return c.request.Err() != nil || c.conn != nil && c.conn.Lost()
}

// Taken reports whether another receiver has taken over, or the session has ended.
func (c *Receiver) Taken() bool { return c.taken.Err() != nil }

// reaches reports whether the client gets what the receiver sends.
func (c *Receiver) reaches() bool { return !c.Taken() && !c.isGone() }

// Over reports whether the receiver has to return.
func (c *Receiver) Over() bool { return !c.reaches() || time.Until(c.until) <= 0 }

// wait returns when there may be new frames, when the receiver is over, or after d.
func (c *Receiver) wait(d time.Duration) {
	d = min(d, time.Until(c.until))
	if c.conn != nil && c.conn.Wait(time.Now().Add(d)) {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.session.news:
	case <-timer.C:
	case <-c.taken.Done():
	case <-c.request.Done():
	}
}

// Next returns the frames after a number, the number of the last one, and the bye if the
// session is to end after them. It waits until there is one of them, the receiver is over, or d has passed.
func (c *Receiver) Next(after uint64, d time.Duration) (frames [][]byte, last uint64, bye *Bye) {
	for until := time.Now().Add(d); ; c.wait(time.Until(until)) {
		frames, last, bye = c.session.out.After(after)
		if len(frames) > 0 || bye != nil || c.Over() || time.Until(until) <= 0 {
			return frames, last, bye
		}
	}
}
