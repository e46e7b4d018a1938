package transport

import (
	"net/http"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// PollWait is how long a poll waits for frames: less than the 30 s after which many proxies
// time out.
const PollWait = 25 * time.Second

// Each answer with frames costs the client another request. An answer that would have only
// presence frames therefore waits for more of them, until this time after the last answer
// with frames.
const (
	// majorInterval is for joins, leaves and everything else that a user notices when it is late.
	majorInterval = 800 * time.Millisecond
	// minorInterval is for minor frames. It is well below the 30 s after which a person is idle.
	minorInterval = 5 * time.Second
)

// LongPoll sends the frames of a session to its client in the response to
// GET /poll?after=N&id=M: the frames after N, as soon as there are some. N acknowledges
// the frames up to it.
type LongPoll struct {
	Sessions *Sessions
}

// ServeHTTP answers a poll.
func (t *LongPoll) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := t.poll(w, r); err != nil {
		Refuse(w, err)
	}
}

func (t *LongPoll) poll(w http.ResponseWriter, r *http.Request) error {
	s, err := t.Sessions.Find(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	after, err := strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil {
		return protocolError("after must be the seq of the last poll, or 0")
	}
	request, err := RequestID(query)
	if err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // the deadline of a request would end the poll
	s.Outbox().Ack(after)
	c, err := s.Receive(r, PollWait)
	if err != nil {
		return err
	}
	s.Outbox().SetTransport(NameLongPoll)
	parked := false
	defer func() {
		if !parked {
			c.Release()
		}
	}()
	frames, last, bye, late := c.gather(after, c.MayPark(r))
	if late {
		header := w.Header()
		parked = c.Park(w, r, func(conn *parking.Conn) bool {
			frames, last, bye, _ := c.gather(after, false)
			return conn.Answer(header, func(w http.ResponseWriter) { s.answerPoll(w, request, frames, last, bye) })
		})
		if parked {
			return nil
		}
		frames, last, bye, _ = c.gather(after, false)
	}
	s.answerPoll(w, request, frames, last, bye)
	return nil
}

// answerPoll answers a poll, and ends the session if there is a bye.
func (h *HTTPSession) answerPoll(w http.ResponseWriter, request uint64, frames [][]byte, last uint64, bye *Bye) {
	if bye != nil {
		frames = append(frames, bye.Frame())
		last++
		h.End(nil)
	} else if len(frames) == 0 && h.Ended() { // the client would treat an early empty response as one of a cache
		Refuse(w, ErrGone)
		return
	}
	b := appendPoll(nil, request, last, frames)
	LimitWrite(w, len(b))
	answer(w, b)
}

// gather is next for a client that polls: it waits until the frames may be sent. If it may be late, it returns
// after ParkAfter that it is.
func (c *Receiver) gather(after uint64, mayBeLate bool) (frames [][]byte, last uint64, bye *Bye, late bool) {
	h := c.session
	for began := time.Now(); ; {
		frames, last, bye = h.out.After(after)
		wait := PollWait
		if len(frames) > 0 {
			wait = time.Until(h.lastPoll().Add(h.out.interval(after)))
		}
		if bye != nil || c.Over() || wait <= 0 {
			break
		}
		if mayBeLate {
			if wait = min(wait, ParkAfter-time.Since(began)); wait <= 0 {
				return nil, 0, nil, true
			}
		}
		c.wait(wait)
	}
	if len(frames) > 0 && c.reaches() { // else the client does not get them
		h.mu.Lock()
		h.polled = time.Now()
		h.mu.Unlock()
	}
	return frames, last, bye, false
}

// lastPoll returns when a poll was last answered with frames.
func (h *HTTPSession) lastPoll() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.polled
}

func appendPoll(dst []byte, id, seq uint64, frames [][]byte) []byte {
	dst = append(dst, '{')
	if id != 0 {
		dst = append(dst, `"id":`...)
		dst = strconv.AppendUint(dst, id, 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"frames":[`...)
	for i, f := range frames {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f...)
	}
	return append(dst, "]}"...)
}
