package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// pollResult is the result of a poll that runs beside a beat.
type pollResult struct {
	answer *answer
	polled polled
	err    error
	at     time.Time
}

// checkLongPoll enters a room by a beat, and checks that a waiting poll reports it.
func (d *checkup) checkLongPoll(ctx context.Context) Finding {
	if !d.hasTicket() {
		return d.checkOpen(ctx)
	}
	p, found := d.newSession(ctx)
	if found != nil {
		return *found
	}
	defer d.leave(ctx, p)
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	a, first, err := d.poll(ctx, p.session, 0)
	if f := d.diagnosePoll(a, err); f != nil {
		return *f
	}
	result := d.startPoll(ctx, p.session, first.Seq)
	beat, found := d.enterRoom(ctx, p)
	if found != nil {
		return *found
	}
	answered := time.Now()
	got := <-result
	if f := d.diagnosePoll(got.answer, got.err); f != nil {
		return *f
	}
	if !slices.ContainsFunc(got.polled.Frames, func(f frame) bool { return f.joined(p.room, p.user) }) {
		return failed(readLog, "a poll was answered without the change that it waited for: %s", excerpt(got.answer.body))
	}
	// heartbeatd sends a change at once: a late one was buffered on the way.
	late := got.at.Sub(answered)
	if late > d.timeout/5 {
		return failed("Disable response buffering for "+d.path()+": nginx `proxy_buffering off`", "a change reaches a waiting poll %s late: a server on the way buffers answers", late.Round(100*time.Millisecond))
	}
	d.pollWorks = true
	return ok("a beat is answered in %d ms, and a change reaches a waiting poll at once", beat.took.Milliseconds())
}

// startPoll starts a poll, and returns when its request is written.
func (d *checkup) startPoll(ctx context.Context, session string, after uint64) <-chan pollResult {
	written, result := make(chan struct{}), make(chan pollResult, 1)
	go func() {
		var once sync.Once
		ctx := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(written) }) }})
		a, p, err := d.poll(ctx, session, after)
		once.Do(func() { close(written) })
		result <- pollResult{a, p, err, time.Now()}
	}()
	<-written
	return result
}

// checkOpen checks the long-poll as far as that is possible without a ticket.
func (d *checkup) checkOpen(ctx context.Context) Finding {
	url := d.url("/open")
	a, err := d.sendTimed(ctx, http.MethodPost, url, helloWithoutTicket, map[string]string{"Content-Type": "application/json"})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return ok("%s is reachable; no session was opened: that needs a valid ticket", url)
	}
	return d.diagnose(a)
}

// diagnosePoll explains why a poll failed. It returns nil if it did not.
func (d *checkup) diagnosePoll(a *answer, err error) *Finding {
	var f Finding
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f = failed("Disable response buffering for "+d.path()+": nginx `proxy_buffering off`; and see heartbeatd's log", "a poll is not answered within %s: a server on the way buffers the answer", d.timeout)
	case err != nil && a == nil:
		f = d.diagnoseError(d.url("/poll"), err)
	case err != nil:
		f = failed("Exclude "+d.path()+" from everything that changes answers", "the answer to a poll is not the one that heartbeatd wrote: %s", excerpt(a.body))
	case a.status == http.StatusGone:
		f = sessionGone()
	case a.status != http.StatusOK:
		f = d.diagnose(a)
	default:
		return nil
	}
	return &f
}

func sessionGone() Finding {
	return failed("Pass the header "+transport.SessionHeader+" on; with several nodes, send all requests of a client to the same one",
		"a session is gone right after it was opened: its header is lost, or another node gets the next request")
}
