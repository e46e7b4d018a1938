package server

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/server/hourly"
	"github.com/heartbeatd/heartbeatd/server/network"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// The causes for which a page is refused, besides those of its ticket.
const (
	wrongOrigin  ticket.Cause = "origin"
	wrongCookie  ticket.Cause = "cookie"
	limitReached ticket.Cause = "limit"
)

// refusal is the error with which a page is refused: its end for the page, and what the
// log needs.
type refusal struct {
	*transport.Bye
	site  string // the id of the page's site, if it is known
	cause ticket.Cause
	over  error // of the budget that the site has used up, or nil
}

func (r *refusal) Unwrap() []error { return []error{r.Bye, r.over} }

func refuse(site string, why ticket.Cause, reason string) error {
	return &refusal{Bye: ticketError(reason), site: site, cause: why}
}

// refuseLimit refuses a page that may come back later.
func refuseLimit(site, reason string, retry time.Duration) error {
	return &refusal{Bye: &transport.Bye{Code: transport.CodeTooMany, Reason: reason, RetryAfter: retry}, site: site, cause: limitReached}
}

// refuseTicket refuses a page because of an error of ticket.Verifier.
func refuseTicket(err error) error {
	refused := &ticket.Error{Cause: ticket.Malformed, Reason: err.Error()}
	_ = errors.As(err, &refused)
	return refuse(refused.Site, refused.Cause, refused.Reason)
}

func ticketError(reason string) *transport.Bye {
	return &transport.Bye{Code: transport.CodeTicket, Reason: reason}
}

// goingAway is the end of a page of a node that drains.
func goingAway(retry time.Duration) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: retry}
}

// errStopping is the end of a page that comes when the broker has been closed.
func errStopping(err error) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away: " + err.Error(), RetryAfter: time.Second}
}

func refuseRevoked(site string) error { return refuse(site, ticket.Revoked, "the ticket is revoked") }

// maxLogged is the most bytes of a client's text in the log.
const maxLogged = 200

// refusals logs why pages are refused: each cause once an hour for each site.
type refusals struct {
	sites  *sites
	logger *slog.Logger

	times hourly.Limit[refusalKey]
}

type refusalKey struct {
	site  string // configured, or empty
	cause ticket.Cause
}

// log logs a refusal, unless one of the same site and cause was logged in the last hour.
func (l *refusals) log(r *http.Request, err error) {
	refused := new(refusal)
	if !errors.As(err, &refused) {
		return
	}
	key := refusalKey{cause: refused.cause}
	if first := l.sites.first(refused.site); first != nil {
		key.site = first.ID
	}
	more, due := l.times.Due(key, time.Now())
	if !due {
		return
	}
	level := slog.LevelWarn
	if refused.cause == ticket.Expired || refused.cause == ticket.Revoked {
		level = slog.LevelInfo // log-ins end every day
	}
	reason := refused.Reason
	if refused.cause == ticket.UnknownSite { // the page is not told
		reason = "no such site: " + strconv.QuoteToASCII(logged(refused.site))
		if of := network.Of(refused.site); l.sites.configured[of] != nil {
			reason += ": if " + strconv.QuoteToASCII(logged(of)) + " is a WordPress network, set --site-network, or \"network\": true in --sites"
		}
	}
	l.logger.Log(r.Context(), level, "a page is refused", "site", key.site, "cause", key.cause, "reason", logged(reason),
		"origin", logged(r.Header.Get("Origin")), "host", logged(r.Host), "more since the last message", more)
}

// logLimit logs a refusal because of the limit of sessions over HTTP. The site of the page
// is not known yet.
func (l *refusals) logLimit(r *http.Request, bye *transport.Bye) {
	l.log(r, &refusal{Bye: bye, cause: limitReached})
}

func logged(text string) string { return text[:min(len(text), maxLogged)] }
