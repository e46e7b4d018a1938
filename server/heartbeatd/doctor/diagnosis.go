package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// unknownPath is the answer of heartbeatd's router for an unknown path, and malformedRequest that of
// Go's HTTP server to what is no HTTP request.
const (
	unknownPath      = "404 page not found"
	malformedRequest = "400 Bad Request"
)

// statusHeaderTooLarge is a status of nginx.
const statusHeaderTooLarge = 494

// flagRemedy is the remedy for what is no fault of the deployment.
const flagRemedy = "Fix: Correct the flag."

// invalidFlag returns the finding for a flag that no ticket or call can be made of.
func invalidFlag(err error) Finding {
	return Finding{Result: Failed, Text: err.Error(), Remedy: flagRemedy}
}

// diagnose explains an answer that is not one of this version of heartbeatd.
func (d *checkup) diagnose(a *answer) Finding {
	switch isRedirect := a.status/100 == 3; {
	case a.status == http.StatusForbidden && strings.Contains(a.body, transport.OriginRefused):
		return d.originRefused()
	case isChallenge(a):
		return d.named("captcha-page", "It answers %d: %s", a.status, excerpt(a.body))
	case a.status == http.StatusNotFound && strings.TrimSpace(a.body) == unknownPath:
		return d.named("path-changed", "heartbeatd answers 404.")
	case a.status == http.StatusNotFound || a.status == http.StatusOK:
		return d.named("no-route", "Another program answers (%d).", a.status)
	case isRedirect && a.header.Get("X-Redirect-By") != "":
		return d.named("plain-permalinks-without-route", "%s redirects to %s (%d).", a.header.Get("X-Redirect-By"), a.header.Get("Location"), a.status)
	case isRedirect:
		return d.named("redirected", "It leads to %s (%d).", a.header.Get("Location"), a.status)
	case a.status == http.StatusUnauthorized:
		return d.named("password-required", "It answers 401. To check the rest, give the doctor the password, as in https://user:password@example.org.")
	case a.status == http.StatusForbidden, a.status == http.StatusMethodNotAllowed, a.status == http.StatusNotAcceptable:
		return d.named("firewall", "It answers %d: %s", a.status, excerpt(a.body))
	default:
		return d.diagnoseStatus(a)
	}
}

func (d *checkup) diagnoseStatus(a *answer) Finding {
	switch a.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if d.isDown {
			return d.named("server-down", "Its API does not answer either, and the web server answers %d.", a.status)
		}
		return d.named("wrong-listen-address", "Or heartbeatd is stopped, or hangs (%d).", a.status)
	case http.StatusTooManyRequests:
		return d.named("rate-limited", "It answers 429: %s", excerpt(a.body))
	case http.StatusRequestEntityTooLarge:
		return d.named("small-body-limit", "It answers 413.")
	case http.StatusRequestHeaderFieldsTooLarge, statusHeaderTooLarge:
		return d.named("small-request-headers", "It answers %d.", a.status)
	case http.StatusBadRequest:
		switch body := strings.ToLower(a.body); {
		case strings.TrimSpace(a.body) == malformedRequest:
			return d.named("proxy-protocol", "heartbeatd receives something else than HTTP (400).")
		case strings.Contains(body, "header") && strings.Contains(body, "large"):
			return d.named("small-request-headers", "It answers 400.")
		}
	}
	return d.named("other-answer", "It answers %d: %s", a.status, excerpt(a.body))
}

// challengeHeaders are headers by which CDNs and hosting companies mark the pages that ask for a
// proof of a human, and challenges are parts of such pages.
var (
	challengeHeaders = []string{"Cf-Mitigated", "X-Amzn-Waf-Action", "Sg-Captcha"}
	challenges       = []string{"captcha", "challenge-platform", "cf-chl", "checking your browser", "verify you are human", "not a robot", "are you human"}
)

// isChallenge reports whether an answer asks for a captcha or the like. Pages of WordPress may have
// a captcha in a form.
func isChallenge(a *answer) bool {
	for _, name := range challengeHeaders {
		if a.header.Get(name) != "" {
			return true
		}
	}
	page := strings.ToLower(a.body)
	isPage := strings.Contains(a.header.Get("Content-Type"), "html") && !strings.Contains(page, "/wp-includes/") && !strings.Contains(page, "/wp-content/")
	return isPage && slices.ContainsFunc(challenges, func(part string) bool { return strings.Contains(page, part) })
}

// originRefused returns the finding for a heartbeatd that refuses the site's pages.
func (d *checkup) originRefused() Finding {
	return d.named("host-changed", "It must be %s.", d.origin)
}

// diagnoseRefusal explains why heartbeatd refuses a ticket that the secret signed.
func (d *checkup) diagnoseRefusal(reason string) Finding {
	switch {
	case strings.Contains(reason, "origin"):
		return d.originRefused()
	case strings.Contains(reason, "signature"): // heartbeatd does not tell which sites it has
		return d.named("wrong-secret", "The secret is that of --site-secret, for site %q.", d.API.SiteID)
	case strings.Contains(reason, "in the future") || strings.Contains(reason, "expired") || strings.Contains(reason, "is over"):
		return d.named("clock-off", "heartbeatd says %q.", reason)
	}
	return d.named("page-refused", "It says %q.", reason)
}

// diagnoseError explains why a request has no answer.
func (d *checkup) diagnoseError(address string, err error) Finding {
	u, _ := url.Parse(address)
	host := u.Host
	var dns *net.DNSError
	var timeout net.Error
	isLate := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	switch text := apiclient.Cause(err); {
	case errors.As(err, &dns):
		return d.named("site-unreachable", "The host %s does not exist.", host)
	case strings.Contains(text, "x509:") || strings.Contains(text, "tls:"):
		return d.named("bad-certificate", "%s: %s", host, text)
	case isLate && d.siteAnswers && strings.HasPrefix(address, d.base.String()):
		return d.named("server-down", "The web server answers other requests, and this one not within %s: %s.", d.timeout, u.Path)
	case isLate:
		return d.named("site-unreachable", "%s does not answer within %s.", host, d.timeout)
	case strings.Contains(text, "refused"):
		return d.named("site-unreachable", "%s refuses connections.", host)
	case d.isDown && d.siteAnswers && strings.HasPrefix(address, d.base.String()): // Varnish, for a WebSocket
		return d.named("server-down", "Its API does not answer either, and the web server closes the connection: %s", text)
	default:
		return d.named("site-unreachable", "%s: %s", host, text)
	}
}
