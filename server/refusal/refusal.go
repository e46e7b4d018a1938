// Package refusal says why pages are refused and why beats are left to PHP. It counts each, and logs
// each cause once an hour for each site.
package refusal

import (
	"errors"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// The causes for which a page is refused, besides those of its ticket.
const (
	WrongOrigin ticket.Cause = "origin"
	WrongCookie ticket.Cause = "cookie"
	Limit       ticket.Cause = "limit"

	badHello ticket.Cause = "hello"
	noHello  ticket.Cause = "no-hello"
)

// Causes returns the names of all causes.
func Causes() (names []string) {
	for _, cause := range append(slices.Clone(ticket.Causes), WrongOrigin, WrongCookie, Limit, badHello, noHello) {
		names = append(names, string(cause))
	}
	return names
}

// The causes for which a beat is left to PHP, besides those of its ticket.
const (
	SessionEnded = "ended"
	TooManyBeats = "limit"
	UnknownPosts = "active-posts" // heartbeatd does not know which active posts the user may see
	CronIsDue    = "cron"
)

// Declines are the names of all causes for which a beat is left to PHP.
var Declines = append([]string{SessionEnded, TooManyBeats, UnknownPosts, CronIsDue}, ticket.Declines...)

// Refusal is the error with which a page is refused: its end for the page, and what the
// log needs.
type Refusal struct {
	*transport.Bye
	Site  string // the id of the page's site, if it is known
	Cause ticket.Cause
	Over  error // of the budget that the site has used up, or nil
}

// Unwrap returns the errors that the refusal has.
func (r *Refusal) Unwrap() []error { return []error{r.Bye, r.Over} }

// New refuses a page for a cause.
func New(site string, why ticket.Cause, reason string) error {
	return &Refusal{Bye: TicketError(reason), Site: site, Cause: why}
}

// NewLimit refuses a page that may come back later. over is the error of the budget that the site
// has used up, or nil.
func NewLimit(site, reason string, retry time.Duration, over error) error {
	return &Refusal{&transport.Bye{Code: transport.CodeTooMany, Reason: reason, RetryAfter: retry}, site, Limit, over}
}

// NewBadHello refuses a page whose hello is invalid.
func NewBadHello(site, reason string) error {
	return &Refusal{Bye: &transport.Bye{Code: transport.CodeProtocol, Reason: reason}, Site: site, Cause: badHello}
}

// OfTicket refuses a page because of an error of ticket.Verifier.
func OfTicket(err error) error {
	refused := &ticket.Error{Cause: ticket.Malformed, Reason: err.Error()}
	_ = errors.As(err, &refused)
	return New(refused.Site, refused.Cause, refused.Reason)
}

// Revoked refuses a page whose ticket is revoked.
func Revoked(site string) error { return New(site, ticket.Revoked, "the ticket is revoked") }

// TicketError is the end of a page that needs another ticket.
func TicketError(reason string) *transport.Bye {
	return &transport.Bye{Code: transport.CodeTicket, Reason: reason}
}

// GoingAway is the end of a page of a node that drains.
func GoingAway(retry time.Duration) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away", RetryAfter: retry}
}

// StoodStill is the end of a page whose hello may be as old as a pause of this process: such a hello may not take
// over the entries that another node holds.
func StoodStill(retry time.Duration) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node has stood still", RetryAfter: retry}
}

// Stopping is the end of a page that comes when the broker has been closed.
func Stopping(err error) *transport.Bye {
	return &transport.Bye{Code: transport.CodeDraining, Reason: "this node is going away: " + err.Error(), RetryAfter: time.Second}
}
