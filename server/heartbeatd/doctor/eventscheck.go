package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
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
			if late := time.Since(answered); late > d.late {
				return d.named("streams-held-back", "A change arrives %s late.", late.Round(100*time.Millisecond))
			}
			return ok("a beat is answered in %d ms, and a change arrives on an event stream at once", beat.took.Milliseconds())
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return d.named("streams-held-back", "A change does not arrive within %s.", d.timeout)
		}
		return d.streamCut(lines.Err())
	})
}

// readStream requests an event stream, and calls read when its first line has arrived.
func (d *checkup) readStream(ctx context.Context, query, session string, read func(lines *bufio.Scanner) Finding) Finding {
	id := unusedID()
	url := d.urlWith("/events", id, query)
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
		case arrived && isNumbered(lines.Text()) && lines.Text() != ":"+strconv.FormatInt(id, 10):
			return d.named("cache-in-front", "A page gets the event stream of another request.")
		case arrived && !isNumbered(lines.Text()):
			return d.named("answers-changed", "An event stream does not begin as heartbeatd wrote it: %s", excerpt(lines.Text()))
		case arrived && held.Stop():
			return read(lines)
		case !arrived && ctx.Err() == nil:
			return d.streamCut(lines.Err())
		}
	}
	return d.named("streams-held-back", "Nothing of a stream arrives within %s.", d.patience)
}

// isNumbered reports whether a line may be the first one of a stream of heartbeatd: a comment with
// the id of the request.
func isNumbered(line string) bool {
	id, isComment := strings.CutPrefix(line, ":")
	_, err := strconv.ParseInt(id, 10, 64)
	return isComment && err == nil
}

// diagnoseNoStream explains an answer that is not an event stream.
func (d *checkup) diagnoseNoStream(got *http.Response) Finding {
	b, _ := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	a := &answer{status: got.StatusCode, header: got.Header, body: string(b)}
	switch {
	case a.status == http.StatusGone:
		return d.sessionGone()
	case a.status == http.StatusOK && !strings.Contains(a.header.Get("Content-Type"), "html"):
		return d.named("answers-changed", "An event stream has the content type %q.", a.header.Get("Content-Type"))
	}
	return d.diagnose(a)
}

// streamCut returns the finding for an event stream that ends before its time.
func (d *checkup) streamCut(err error) Finding {
	why := "it ends"
	if err != nil {
		why = apiclient.Cause(err)
	}
	return d.named("idle-timeout", "An event stream is cut: %s.", why)
}
