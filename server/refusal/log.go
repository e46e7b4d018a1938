package refusal

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/server/hourly"
	"github.com/heartbeatd/heartbeatd/server/metrics"
	"github.com/heartbeatd/heartbeatd/server/network"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// maxLogged is the most bytes of a client's text in the log.
const maxLogged = 200

// Log counts refusals and beats that are left to PHP, and logs them. Set all fields before the first
// use.
type Log struct {
	// First returns the configured site of a site's network, or the site itself. known is false if
	// the node does not serve the site.
	First   func(id string) (first string, known bool)
	Logger  *slog.Logger
	Metrics *metrics.Metrics

	refusals hourly.Limit[key]
	declines hourly.Limit[key]
}

// key is what is logged once an hour.
type key struct {
	site  string // configured, or empty
	cause string
}

// Refused counts a refusal, and logs it unless one of the same site and cause was logged in the last
// hour.
func (l *Log) Refused(r *http.Request, err error) {
	refused := new(Refusal)
	if !errors.As(err, &refused) {
		return
	}
	l.Metrics.Refused(string(refused.Cause))
	site, _ := l.First(refused.Site)
	more, due := l.refusals.Due(key{site, string(refused.Cause)}, time.Now())
	if !due {
		return
	}
	level := slog.LevelWarn
	if refused.Cause == ticket.Expired || refused.Cause == ticket.Revoked {
		level = slog.LevelInfo // log-ins end every day
	}
	reason := refused.Reason
	if refused.Cause == ticket.UnknownSite { // the page is not told
		reason = "no such site: " + strconv.QuoteToASCII(logged(refused.Site))
		of := network.Of(refused.Site)
		if _, known := l.First(of); known {
			reason += ": if " + strconv.QuoteToASCII(logged(of)) + " is a WordPress network, set --site-network, or \"network\": true in --sites"
		}
	}
	l.Logger.Log(r.Context(), level, "a page is refused", "site", site, "cause", refused.Cause, "reason", logged(reason),
		"origin", logged(r.Header.Get("Origin")), "host", logged(r.Host), "more since the last message", more)
}

// Hello logs the refusal of a page whose site is not known yet: because of the limit of
// sessions over HTTP, or of its hello.
func (l *Log) Hello(r *http.Request, bye *transport.Bye) {
	cause := badHello
	switch {
	case transport.IsNoHello(bye):
		cause = noHello
		l.Metrics.HelloTimedOut()
	case bye.Code == transport.CodeTooMany:
		cause = Limit
	}
	l.Refused(r, &Refusal{Bye: bye, Cause: cause})
}

// Declined counts a beat of a configured site, or of its network, that is left to PHP, and logs it
// likewise.
func (l *Log) Declined(site, cause string) {
	l.Metrics.Declined(cause)
	if more, due := l.declines.Due(key{site, cause}, time.Now()); due {
		l.Logger.Info("a beat is left to PHP", "site", site, "cause", cause, "more since the last message", more)
	}
}

func logged(text string) string { return text[:min(len(text), maxLogged)] }
