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

// pollResult is the answer to a poll that has waited for a change.
type pollResult struct {
	answer *answer
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
	result := d.startPoll(ctx, p, first.Seq)
	defer endPoll(cancel, result)
	beat, found := d.enterRoom(ctx, p)
	if found != nil {
		return *found
	}
	answered := time.Now()
	got := <-result
	if f := d.diagnoseChange(&got, answered); f != nil { // heartbeatd sends a change at once
		return *f
	}
	d.pollWorks = true
	return ok("a beat is answered in %d ms, and a change reaches a waiting poll at once", beat.took.Milliseconds())
}

// startPoll polls until the page has joined its room, and returns when its first request is written. Its caller
// calls endPoll.
func (d *checkup) startPoll(ctx context.Context, p *testPage, after uint64) <-chan pollResult {
	written, result := make(chan struct{}), make(chan pollResult, 1)
	go func() {
		defer close(result)
		var once sync.Once
		ctx := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(written) }) }})
		for {
			a, got, err := d.poll(ctx, p.session, after)
			once.Do(func() { close(written) })
			if err == nil && a.status == http.StatusOK && len(got.Frames) == 0 {
				err = errOthersAnswer // heartbeatd holds a poll for longer
			}
			if err != nil || a.status != http.StatusOK || slices.ContainsFunc(got.Frames, func(f frame) bool { return f.joined(p.room, p.user) }) {
				result <- pollResult{a, err, time.Now()}
				return
			}
			after = got.Seq
		}
	}()
	<-written
	return result
}

// endPoll cancels a poll, and waits until its goroutine has ended.
func endPoll(cancel context.CancelFunc, result <-chan pollResult) {
	cancel()
	for range result {
	}
}

// checkOpen checks the long-poll as far as that is possible without a ticket.
func (d *checkup) checkOpen(ctx context.Context) Finding {
	a, _, f := d.postHello(ctx, withoutTicket, nil)
	if f != nil {
		return *f
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return ok("%s is reachable; no session was opened: that needs a valid ticket", d.url("/open"))
	}
	return d.diagnose(a)
}

// diagnosePoll explains why a poll failed. It returns nil if it did not.
func (d *checkup) diagnosePoll(a *answer, err error) *Finding {
	var f Finding
	switch {
	case errors.Is(err, errOthersAnswer):
		f = d.named("cache-in-front", "A page gets the answer to another page's poll, or an old one.")
	case errors.Is(err, context.DeadlineExceeded):
		f = d.named("streams-held-back", "A poll is not answered within %s.", d.timeout)
	case err != nil && a == nil:
		f = d.diagnoseError(d.url("/poll"), err)
	case err != nil:
		f = d.named("answers-changed", "The answer to a poll is not the one that heartbeatd wrote: %s", excerpt(a.body))
	case a.status == http.StatusGone:
		f = d.sessionGone()
	case a.status != http.StatusOK:
		f = d.diagnose(a)
	default:
		return nil
	}
	return &f
}

func (d *checkup) sessionGone() Finding {
	return d.named("header-removed", "A session is gone right after it was opened. With several nodes, this may also be: another node gets the next request, and cannot reach the first.")
}
