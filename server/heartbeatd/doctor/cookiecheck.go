package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/heartbeatd/heartbeatd/transport"
)

// foreignCookie is a log-in cookie of another WordPress on the same host. Browsers
// send it to heartbeatd too.
var foreignCookie = "wordpress_logged_in_" + strings.Repeat("a", 32) + "=bob%7C1999999999%7Cx%7C0"

// checkCookies opens the session of a page whose browser is also logged in to
// another WordPress on the host.
func (d *checkup) checkCookies(ctx context.Context) Finding {
	if !d.hasTicket() {
		return skipped("the log-in cookies of other sites were not checked: that needs a valid ticket")
	}
	p, err := d.newPage()
	if err != nil {
		return invalidFlag(err)
	}
	url := d.url("/open")
	a, err := d.sendTimed(ctx, http.MethodPost, url, p.hello(), map[string]string{"Content-Type": "application/json", "Cookie": foreignCookie})
	if err != nil {
		return d.diagnoseError(url, err)
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return failed("Update heartbeatd: this version compares the site's own log-in cookie only",
			"heartbeatd refuses browsers that are also logged in to another WordPress on this host: %s", bye.Reason)
	}
	var welcome frame
	if json.Unmarshal([]byte(a.body), &welcome) != nil || a.status != http.StatusOK || welcome.Session == "" {
		return d.diagnose(a)
	}
	p.session = welcome.Session
	d.leave(ctx, p)
	return ok("the log-in cookies of other WordPress sites on this host are ignored")
}
