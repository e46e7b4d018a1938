package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// headerLimit is the maximum number of bytes of response headers with which
	// the WordPress plugin sends a ticket. It leaves room for what servers add,
	// below 4 KB, nginx's default buffer.
	headerLimit = 3584
	// largestTicket is the maximum number of bytes of a ticket. A useful one has
	// at least smallestTicket.
	largestTicket  = 2048
	smallestTicket = 1024
)

// checkSite checks that a WordPress answers at the site's URL: its admin-ajax.php
// has an answer of its own.
func (d *checkup) checkSite(ctx context.Context) Finding {
	url := d.site.String() + wordpress.AjaxPath
	a, err := d.sendTimed(ctx, http.MethodGet, url, "", nil)
	if err != nil {
		return d.diagnoseError(url, err)
	}
	d.names = strings.ToLower(strings.Join(append(a.header["Server"], a.header["Via"]...), " "))
	if date, err := http.ParseTime(a.header.Get("Date")); err == nil { // until PHP tells its time
		d.siteAhead = time.Until(date) + a.took/2
	}
	switch {
	case a.status == http.StatusBadRequest && strings.TrimSpace(a.body) == "0":
		d.siteAnswers = true
		return ok("WordPress answers at %s (%d ms)", d.site, a.took.Milliseconds())
	case a.status/100 == 3:
		return d.named("no-wordpress", "%s redirects to %s.", url, a.header.Get("Location"))
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		return d.named("no-wordpress", "Access to %s is refused (%d). Pages need it.", url, a.status)
	case a.status >= 500:
		return d.named("no-wordpress", "It answers with an error (%d).", a.status)
	}
	return d.named("no-wordpress", "%s does not answer as WordPress does (%d %s).", url, a.status, excerpt(a.body))
}

// checkHeaders sends the beat of a visitor, and checks that a ticket fits beside the
// response headers.
func (d *checkup) checkHeaders(ctx context.Context) Finding {
	url := d.site.String() + wordpress.AjaxPath
	a, err := d.sendTimed(ctx, http.MethodPost, url, "action=heartbeat", map[string]string{
		"Content-Type": formType, "Accept": "application/json, text/javascript, */*; q=0.01", "X-Requested-With": "XMLHttpRequest",
	})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	if !d.readPHPTime(a) {
		return skipped("a visitor's beat is not answered as WordPress does (%d %s)", a.status, excerpt(a.body))
	}
	size := len("HTTP/1.1 200 OK\r\nX-Heartbeatd-Ticket: \r\n\r\n")
	for name, values := range a.header {
		for _, value := range values {
			size += len(name) + len(": ") + len(value) + len("\r\n")
		}
	}
	switch room := headerLimit - size; {
	case room < smallestTicket:
		return d.named("small-header-buffer", "The answer to a visitor's beat has %d bytes of headers.", size)
	case room < largestTicket:
		return ok("the answer to a visitor's beat has %d bytes of headers, which leaves %d for a ticket; with %d it can name more rooms", size, room, largestTicket)
	}
	return ok("the answer to a visitor's beat has %d bytes of headers; a ticket of %d fits beside them", size, largestTicket)
}

// readPHPTime takes PHP's time from the answer to a visitor's beat, and reports whether it is one.
// The web server, or a CDN, writes the date of an answer, but PHP writes that of a ticket.
func (d *checkup) readPHPTime(a *answer) bool {
	var tick struct {
		Time int64 `json:"server_time"`
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &tick) != nil || tick.Time <= 0 {
		return false
	}
	d.siteAhead = time.Until(time.Unix(tick.Time, 0).Add(time.Second/2)) + a.took/2
	return true
}
