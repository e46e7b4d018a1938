package doctor

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// checkCache lets two pages poll at once. Each must get the answer to its own poll, when there is
// one: a cache may store answers, or let one request wait for the answer to another.
func (d *checkup) checkCache(ctx context.Context) Finding {
	if !d.pollWorks {
		return d.checkCacheHeaders(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*d.timeout)
	defer cancel() // ends a poll that waits
	var pages [2]*testPage
	var polls [2]<-chan pollResult
	for i := range pages {
		p, found := d.newSession(ctx)
		if found != nil {
			return *found
		}
		defer d.leave(context.WithoutCancel(ctx), p)
		a, first, err := d.poll(ctx, p.session, 0)
		if f := d.diagnosePoll(a, err); f != nil {
			return *f
		}
		if hit := cacheHit(a.header); hit != "" {
			return d.named("cache-in-front", "An answer has %s.", hit)
		}
		pages[i], polls[i] = p, d.startPoll(ctx, p, first.Seq)
		defer endPoll(cancel, polls[i])
	}
	for _, i := range []int{1, 0} { // the poll that was sent first still waits when the other one is answered
		if _, found := d.enterRoom(ctx, pages[i]); found != nil {
			return *found
		}
		changed := time.Now()
		got := within(2*d.late, polls[i])
		if got == nil && i == 1 {
			return d.diagnoseWaitingPoll(ctx, polls[1], pages[0])
		}
		if f := d.diagnoseChange(got, changed); f != nil {
			return *f
		}
	}
	return ok("two pages that poll at once get their own answers")
}

// diagnoseWaitingPoll explains why a poll that was sent second gets no answer: it waits for the
// answer to the first one if it arrives together with that.
func (d *checkup) diagnoseWaitingPoll(ctx context.Context, second <-chan pollResult, first *testPage) Finding {
	if _, found := d.enterRoom(ctx, first); found != nil {
		return *found
	}
	if within(2*d.late, second) == nil {
		return d.named("streams-held-back", "A change does not reach a waiting poll within %s.", 2*d.late)
	}
	return d.named("cache-in-front", "While another page polls, a change does not reach a waiting poll within %s: it waits for the answer to the other one.", 2*d.late)
}

// diagnoseChange explains why the answer to a poll is not the one to a change, or comes late. It returns
// nil if nothing is wrong.
func (d *checkup) diagnoseChange(got *pollResult, changed time.Time) *Finding {
	if got == nil {
		return new(d.named("streams-held-back", "A change does not reach a waiting poll within %s.", 2*d.late))
	}
	if f := d.diagnosePoll(got.answer, got.err); f != nil {
		return f
	}
	if late := got.at.Sub(changed); late > d.late {
		return new(d.named("streams-held-back", "A change reaches a waiting poll %s late.", late.Round(100*time.Millisecond)))
	}
	return nil
}

// within waits for the answer to a poll. It returns nil if none comes in time.
func within(wait time.Duration, poll <-chan pollResult) *pollResult {
	select {
	case got := <-poll:
		return &got
	case <-time.After(wait):
		return nil
	}
}

// checkCacheHeaders checks for a cache without a session.
func (d *checkup) checkCacheHeaders(ctx context.Context) Finding {
	for _, session := range []string{"none", "nobody"} {
		a, err := d.sendTimed(ctx, http.MethodGet, d.urlWith("/poll", unusedID(), "after=0"), "", map[string]string{transport.SessionHeader: session})
		switch {
		case err != nil:
			return d.diagnoseError(d.url("/poll"), err)
		case cacheHit(a.header) != "":
			return d.named("cache-in-front", "An answer has %s.", cacheHit(a.header))
		case a.status != http.StatusGone:
			return skipped("caches were not checked: heartbeatd does not answer polls (%d)", a.status)
		}
	}
	return ok("no header of an answer names a cache; a full check needs a valid ticket")
}

// hit matches the word, also in TCP_HIT.
var hit = regexp.MustCompile(`(?i)(^|[^a-z])hit([^a-z]|$)`)

// cacheHit returns the header that says that an answer is from a cache, if there is
// one.
func cacheHit(h http.Header) string {
	if age := h.Get("Age"); age != "" && age != "0" {
		return "Age: " + age
	}
	for _, name := range []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "X-Fastcgi-Cache"} {
		if value := h.Get(name); hit.MatchString(value) {
			return name + ": " + value
		}
	}
	return ""
}
