package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// checkEvents reads an event stream: its first line arrives while heartbeatd still writes
// it, and so does the change that a beat makes.
func (d *checkup) checkEvents(ctx context.Context) Finding {
	if !d.hasTicket() {
		return d.readStream(ctx, "test=1", "", func(*bufio.Scanner) Finding {
			return ok("an event stream arrives while it is written; no session was opened: that needs a valid ticket")
		})
	}
	p, found := d.newSession(ctx)
	if found != nil {
		return *found
	}
	defer d.leave(ctx, p)
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.readStream(ctx, "after=0", p.session, func(lines *bufio.Scanner) Finding {
		beat, found := d.enterRoom(ctx, p)
		if found != nil {
			return *found
		}
		answered := time.Now()
		for lines.Scan() {
			data, _ := strings.CutPrefix(lines.Text(), "data:")
			var f frame
			if json.Unmarshal([]byte(data), &f) != nil || !f.joined(p.room, p.user) {
				continue
			}
			if late := time.Since(answered); late > d.timeout/5 {
				return d.streamHeldBack("a change arrives " + late.Round(100*time.Millisecond).String() + " late")
			}
			return ok("a beat is answered in %d ms, and a change arrives on an event stream at once", beat.took.Milliseconds())
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return d.streamHeldBack("a change does not arrive within " + d.timeout.String())
		}
		return d.streamCut(lines.Err())
	})
}

// readStream requests an event stream, and calls read when its first line has arrived.
func (d *checkup) readStream(ctx context.Context, query, session string, read func(lines *bufio.Scanner) Finding) Finding {
	url := d.url("/events?" + query + "&id=1")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	held := time.AfterFunc(d.patience, cancel)
	defer held.Stop()
	r, err := d.newRequest(ctx, http.MethodGet, url, "", map[string]string{transport.SessionHeader: session})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	got, err := d.http.Do(r)
	if err != nil && ctx.Err() == nil {
		return d.diagnoseError(url, err)
	}
	if err == nil {
		defer func() { _ = got.Body.Close() }()
		if kind := got.Header.Get("Content-Type"); got.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/event-stream") {
			return d.diagnoseNoStream(got)
		}
		lines := bufio.NewScanner(got.Body)
		lines.Buffer(nil, maxAnswer)
		switch arrived := lines.Scan(); {
		case arrived && lines.Text() != ":1":
			return failed("Exclude "+d.path()+" from everything that changes answers", "an event stream does not begin as heartbeatd wrote it: %s", excerpt(lines.Text()))
		case arrived && held.Stop():
			return read(lines)
		case !arrived && ctx.Err() == nil:
			return d.streamCut(lines.Err())
		}
	}
	return d.streamHeldBack("nothing of it arrives within " + d.patience.String())
}

// diagnoseNoStream explains an answer that is not an event stream.
func (d *checkup) diagnoseNoStream(got *http.Response) Finding {
	b, _ := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	a := &answer{status: got.StatusCode, header: got.Header, body: string(b)}
	switch {
	case a.status == http.StatusGone:
		return sessionGone()
	case a.status == http.StatusOK && !strings.Contains(a.header.Get("Content-Type"), "html"):
		return failed("Exclude "+d.path()+" from everything that changes answers", "an event stream has the content type %q", a.header.Get("Content-Type"))
	}
	return d.diagnose(a)
}

// streamHeldBack returns the finding for a server that buffers event streams. Pages do
// without: they use a WebSocket, or long-poll.
func (d *checkup) streamHeldBack(how string) Finding {
	const remedy = "Have the web server pass event streams on while they are written: nginx `proxy_http_version 1.1` and `proxy_buffering off`; " +
		"Apache `flushpackets=on`; Caddy without `buffer_responses` and `response_buffers`; a CDN may hold them back, too"
	const text = "a server on the way holds event streams back: %s"
	if d.socketOpens {
		return warning(remedy, text+". Pages whose network does not pass WebSockets on will long-poll", how)
	}
	return failed(remedy, text, how)
}

// streamCut returns the finding for an event stream that ends before its time.
func (d *checkup) streamCut(err error) Finding {
	why := "it ends"
	if err != nil {
		why = apiclient.Cause(err)
	}
	return failed("Raise the timeout of the web server for "+d.path()+" to a minute, and see its log", "an event stream is cut: %s", why)
}
