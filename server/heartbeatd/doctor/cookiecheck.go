package doctor

import (
	"context"
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
	a, welcome, f := d.postHello(ctx, p, map[string]string{"Cookie": foreignCookie})
	if f != nil {
		return *f
	}
	if bye, isBye := a.bye(); isBye && bye.Code == transport.CodeTicket {
		return d.named("foreign-cookie", "It says %q.", bye.Reason)
	}
	if a.status != http.StatusOK || welcome.Session == "" {
		return d.diagnose(a)
	}
	p.session = welcome.Session
	d.leave(ctx, p)
	return ok("the log-in cookies of other WordPress sites on this host are ignored")
}
