package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// foreignOrigin is an origin that no site has.
const foreignOrigin = "https://heartbeatd-doctor.invalid"

// checkLongPoll has a page beat into a room, and hear of it by its poll.
func (d *checkup) checkLongPoll(ctx context.Context) finding {
	if !d.signs() {
		return d.checkOpen(ctx)
	}
	v, found := d.openVisit(ctx)
	if found != nil {
		return *found
	}
	defer d.leave(ctx, v)
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	a, first, err := d.poll(ctx, v.session, 0)
	if f := d.noPoll(a, err); f != nil {
		return *f
	}
	type result struct {
		answer *answer
		polled polled
		err    error
		at     time.Time
	}
	waiting, done := make(chan struct{}), make(chan result, 1)
	go func() {
		var once sync.Once
		ctx := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(waiting) }) }})
		a, p, err := d.poll(ctx, v.session, first.Seq)
		once.Do(func() { close(waiting) })
		done <- result{a, p, err, time.Now()}
	}()
	<-waiting
	beat, err := d.askSoon(ctx, http.MethodPost, d.at("/beat?type=beat&id=1"), v.beat(true), map[string]string{
		transport.SessionHeader: v.session, "Content-Type": "application/x-www-form-urlencoded",
	})
	beaten := time.Now()
	if err != nil {
		return d.unreachable(d.at("/beat"), err)
	}
	if beat.status != http.StatusOK || !strings.Contains(beat.body, `"type":"tick"`) {
		return d.astray(beat)
	}
	got := <-done
	if f := d.noPoll(got.answer, got.err); f != nil {
		return *f
	}
	if !got.polled.joined(v.room, v.user) {
		return failed("See heartbeatd's log", "a poll was answered without the change that it waited for: %s", excerpt(got.answer.body))
	}
	// heartbeatd sends a change at once: what comes late was held back on the way.
	late := got.at.Sub(beaten)
	if late > d.patience/5 {
		return failed("Switch the buffering of answers off for "+d.live.Path+"/: nginx `proxy_buffering off`", "a change reached a waiting poll %s late: something on the way holds answers back", late.Round(100*time.Millisecond))
	}
	d.polls = true
	return ok("a beat is answered in %d ms, and a change reaches a waiting poll at once", beat.took.Milliseconds())
}

// checkOpen is what can be seen of the long-poll without a secret.
func (d *checkup) checkOpen(ctx context.Context) finding {
	address := d.at("/open")
	a, err := d.askSoon(ctx, http.MethodPost, address, helloWithoutTicket, map[string]string{"Content-Type": "application/json"})
	if err != nil {
		return d.unreachable(address, err)
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return ok("%s takes requests; without a good ticket no session was opened", address)
	}
	return d.astray(a)
}

// openVisit starts a long-poll session as a page nobody knows.
func (d *checkup) openVisit(ctx context.Context) (*visit, *finding) {
	v, err := d.visit()
	if err != nil {
		f := failed("Mend the flag", "%v", err)
		return nil, &f
	}
	var found *finding
	v.session, found = d.open(ctx, v.hello())
	return v, found
}

// leave ends a session at once; one that cannot be ended expires.
func (d *checkup) leave(ctx context.Context, v *visit) {
	_, _ = d.askSoon(ctx, http.MethodPost, d.at("/beat"), `{"type":"leave"}`, map[string]string{transport.SessionHeader: v.session})
}

// noPoll is nil when a poll was answered as one.
func (d *checkup) noPoll(a *answer, err error) *finding {
	var f finding
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f = failed("Switch the buffering of answers off for "+d.live.Path+"/: nginx `proxy_buffering off`; and see heartbeatd's log", "a poll got no answer within %s: something on the way holds it back", d.patience)
	case err != nil && a == nil:
		f = d.unreachable(d.at("/poll"), err)
	case err != nil:
		f = failed("Take "+d.live.Path+"/ out of everything that changes answers", "the answer to a poll is not what heartbeatd wrote: %s", excerpt(a.body))
	case a.status == http.StatusGone:
		f = failed("Pass the header "+transport.SessionHeader+" on; with several heartbeatd's, send one client's requests to the same one",
			"a session is gone as soon as it is opened: its header is lost, or another heartbeatd gets the next request")
	case a.status != http.StatusOK:
		f = d.astray(a)
	default:
		return nil
	}
	return &f
}

// checkOrigins tries to come from a page of somebody else's.
func (d *checkup) checkOrigins(ctx context.Context) finding {
	c, response, err := d.dial(ctx, foreignOrigin)
	switch {
	case err == nil:
		_ = c.CloseNow()
		return failed("Pass the header Origin on as it came, and look at --site-origin", "a page of any origin may open a socket")
	case response == nil:
		return d.unreachable(d.at("/socket"), err)
	case response.StatusCode != http.StatusForbidden:
		return leftOut("the origins were not tried: the socket's address answers %d", response.StatusCode)
	case !d.sameOrigin():
		return d.checkCORS(ctx)
	}
	return ok("pages of other origins are refused")
}

// checkCORS is what browsers ask before a page talks to another host.
func (d *checkup) checkCORS(ctx context.Context) finding {
	address := d.at("/beat")
	a, err := d.askSoon(ctx, http.MethodOptions, address, "", map[string]string{
		"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,heartbeat-session,heartbeat-ticket",
	})
	if err != nil {
		return d.unreachable(address, err)
	}
	allowed := a.header.Values("Access-Control-Allow-Origin")
	switch {
	case a.status/100 != 2:
		return d.astray(a)
	case len(allowed) != 1 || allowed[0] != d.origin:
		return failed("heartbeatd says it already: the web server must not add Access-Control headers of its own", "browsers do not let the site's pages in: Access-Control-Allow-Origin is %q", allowed)
	case !strings.Contains(strings.ToLower(a.header.Get("Access-Control-Allow-Headers")), "heartbeat-ticket"):
		return failed("heartbeatd says it already: the web server must not answer OPTIONS itself", "browsers do not let the site's pages send a ticket")
	}
	return ok("pages of %s may talk to %s, and those of other origins may not", d.origin, d.live.Host)
}

// checkCache asks two pages' polls at one address: each must get its own answer.
func (d *checkup) checkCache(ctx context.Context) finding {
	mend := "Except " + d.live.Path + "/ from every cache"
	if !d.polls {
		a, err := d.askSoon(ctx, http.MethodGet, d.at("/poll?after=0"), "", map[string]string{transport.SessionHeader: "none"})
		if err == nil {
			a, err = d.askSoon(ctx, http.MethodGet, d.at("/poll?after=0"), "", map[string]string{transport.SessionHeader: "nobody"})
		}
		switch {
		case err != nil:
			return d.unreachable(d.at("/poll"), err)
		case fromCache(a.header) != "":
			return failed(mend, "a cache answers in heartbeatd's place (%s)", fromCache(a.header))
		case a.status != http.StatusGone:
			return leftOut("no poll was answered by heartbeatd (%d)", a.status)
		}
		return ok("nothing says that a cache answers in heartbeatd's place; without a session no more can be seen")
	}
	for range 2 {
		v, found := d.openVisit(ctx)
		if found != nil {
			return *found
		}
		limited, cancel := context.WithTimeout(ctx, d.patience)
		a, p, err := d.poll(limited, v.session, 0)
		cancel()
		d.leave(ctx, v)
		if f := d.noPoll(a, err); f != nil {
			return *f
		}
		for _, got := range p.Frames {
			if got.Room != v.room {
				return failed(mend, "a page got the answer to another page's poll: a cache keeps them")
			}
		}
		if mark := fromCache(a.header); mark != "" {
			return failed(mend, "a cache answers in heartbeatd's place (%s)", mark)
		}
	}
	return ok("no cache keeps heartbeatd's answers")
}

// fromCache is the header that says an answer came out of a cache, if one does.
func fromCache(h http.Header) string {
	if age := h.Get("Age"); age != "" && age != "0" {
		return "Age: " + age
	}
	for _, name := range []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "CF-Cache-Status", "X-Fastcgi-Cache"} {
		if value := h.Get(name); strings.Contains(strings.ToUpper(value), "HIT") {
			return name + ": " + value
		}
	}
	return ""
}

// checkIdle leaves a socket and a poll alone for as long as pages do.
func (d *checkup) checkIdle(ctx context.Context) finding {
	if d.Idle <= 0 || !d.signs() || !d.upgraded && !d.polls {
		return leftOut("how long a silent connection lasts was not tried: that needs a good ticket and an --idle above 0s")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // one that is ended early need not wait for the other
	found := make(chan finding, 2)
	var both sync.WaitGroup
	defer both.Wait()
	if d.upgraded {
		both.Go(func() { found <- d.idleSocket(ctx) })
	}
	if d.polls {
		both.Go(func() { found <- d.idlePoll(ctx) })
	}
	for _, waits := range []bool{d.upgraded, d.polls} {
		if !waits {
			continue
		}
		if f := <-found; f.Result == resultFailed {
			cancel()
			return f
		}
	}
	return ok("silent connections last for %s", d.Idle)
}

func (d *checkup) idleSocket(ctx context.Context) finding {
	v, err := d.visit()
	if err != nil {
		return failed("Mend the flag", "%v", err)
	}
	c, response, err := d.dial(ctx, d.origin)
	if err != nil {
		return d.noSocket(response, err)
	}
	defer func() { _ = c.CloseNow() }()
	if said, err := d.exchange(ctx, c, v.hello(), "welcome"); err != nil || said.Type == "bye" {
		return failed("See heartbeatd's log", "no welcome: %s", d.whatCame(said, err))
	}
	started := time.Now()
	quiet, cancel := context.WithTimeout(ctx, d.Idle)
	defer cancel()
	for {
		if _, _, err := c.Read(quiet); quiet.Err() != nil {
			return finding{}
		} else if err != nil {
			return d.cut("a socket", time.Since(started), plain(err))
		}
	}
}

func (d *checkup) idlePoll(ctx context.Context) finding {
	v, found := d.openVisit(ctx)
	if found != nil {
		return *found
	}
	defer d.leave(ctx, v)
	quiet, cancel := context.WithTimeout(ctx, d.Idle)
	defer cancel()
	_, first, err := d.poll(quiet, v.session, 0)
	if err != nil {
		return d.cut("a poll", 0, plain(err))
	}
	started := time.Now()
	a, _, err := d.poll(quiet, v.session, first.Seq)
	switch took := time.Since(started); {
	case err == nil && a.status == http.StatusOK, quiet.Err() != nil && d.Idle <= transport.PollWait:
		return finding{}
	case err != nil:
		return d.cut("a poll", took, plain(err))
	default:
		return d.cut("a poll", took, http.StatusText(a.status))
	}
}

func (d *checkup) cut(what string, after time.Duration, why string) finding {
	return failed("Raise the web server's time limit for "+d.live.Path+"/ to a minute: nginx `proxy_read_timeout` and `proxy_send_timeout`, Apache `ProxyTimeout`; a CDN or a firewall may have one too",
		"%s that is silent is ended after %s: %s", what, after.Round(100*time.Millisecond), why)
}
