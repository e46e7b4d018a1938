package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/heartbeatd/heartbeatd/transport"
)

// foreignCookie is a log-in cookie of another WordPress on the same host, as
// browsers send it to /heartbeat/ too.
var foreignCookie = "wordpress_logged_in_" + strings.Repeat("a", 32) + "=bob%7C1999999999%7Cx%7C0"

// checkCookies opens a page's session from a browser that is also logged in to
// another WordPress on the host.
func (d *checkup) checkCookies(ctx context.Context) finding {
	if !d.signs() {
		return leftOut("without a good ticket the log-in cookies of other sites were not tried")
	}
	v, err := d.visit()
	if err != nil {
		return failed("Mend the flag", "%v", err)
	}
	address := d.at("/open")
	a, err := d.askSoon(ctx, http.MethodPost, address, v.hello(), map[string]string{"Content-Type": "application/json", "Cookie": foreignCookie})
	if err != nil {
		return d.unreachable(address, err)
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return failed("Update heartbeatd: this version's compares the site's own log-in cookie only",
			"heartbeatd refuses browsers that are also logged in to another WordPress on this host: %s", bye.Reason)
	}
	var welcome frame
	if json.Unmarshal([]byte(a.body), &welcome) != nil || a.status != http.StatusOK || welcome.Session == "" {
		return d.astray(a)
	}
	v.session = welcome.Session
	d.leave(ctx, v)
	return ok("the log-in cookie of another WordPress on this host does no harm")
}
