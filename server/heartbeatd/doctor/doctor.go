// Package doctor checks a deployment from end to end. It looks from outside, as a
// browser and as WordPress do, and knows heartbeatd by its answers only.
package doctor

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/finding"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/terminal"
	"github.com/heartbeatd/heartbeatd/server/origin"
)

// Config says which deployment is checked.
type Config struct {
	Site string           // URL of the site, with the directory that WordPress is in
	URL  string           // URL of heartbeatd for browsers; a path is one on the site's host
	API  apiclient.Client // heartbeatd's API, and the site's secret
	Idle time.Duration    // how long silent connections must last; 0: not checked

	// Tests set the following times; otherwise they have their usual values.
	timeout  time.Duration // of a request
	patience time.Duration // how long the beginning of an event stream may take, as pages have it
	late     time.Duration // a change that arrives later was held back

	roots *x509.CertPool // of a test's web server; nil: those of the system
}

// Results of a check.
const (
	OK      = "ok"
	Warning = "warning"
	Failed  = "failed"
	Skipped = "skipped"
)

// Finding is the result of one check.
type Finding struct {
	Check   string `json:"check"`
	Result  string `json:"result"`
	Name    string `json:"name,omitempty"` // of what is wrong, in the list of package finding
	Text    string `json:"text"`
	Meaning string `json:"meaning,omitempty"` // for the site
	Remedy  string `json:"remedy,omitempty"`  // how to fix it
}

func (f Finding) String() string {
	text := f.Text
	if f.Name != "" {
		text = f.Name + ": " + text
	}
	lines := fmt.Sprintf("%-8s  %-9s  %s", f.Result, f.Check, text)
	for _, more := range []string{f.Meaning, f.Remedy} {
		if more != "" {
			lines += fmt.Sprintf("\n%-19s  %s", "", more)
		}
	}
	return lines
}

func ok(text string, args ...any) Finding {
	return Finding{Result: OK, Text: fmt.Sprintf(text, args...)}
}

// severities are the results of checks that make a finding of the list.
var severities = map[string]string{finding.Error: Failed, finding.Warning: Warning, finding.Notice: OK}

// named returns a finding of the list, with what shows it here.
func (d *checkup) named(name, detail string, args ...any) Finding {
	f := finding.Named(name, "{path}", d.path(), "{api}", d.API.Address())
	remedy := "Fix: " + f.Fix
	for _, server := range finding.WebServers {
		if fix := f.Fixes[strings.ToLower(server)]; fix != "" && d.mayHave(server) {
			remedy += " In " + server + ": " + fix
		}
	}
	return Finding{Result: severities[f.Severity], Name: name, Text: f.Text + " " + fmt.Sprintf(detail, args...), Meaning: f.Meaning, Remedy: remedy}
}

// mayHave reports whether a web server may be in front of heartbeatd: it names itself, or none does.
// HAProxy never does.
func (d *checkup) mayHave(server string) bool {
	isNamed := func(server string) bool { return strings.Contains(d.names, strings.ToLower(server)) }
	return server == "HAProxy" || isNamed(server) || !d.isSameOrigin() || !slices.ContainsFunc(finding.WebServers, isNamed)
}

func skipped(text string, args ...any) Finding {
	return Finding{Result: Skipped, Text: fmt.Sprintf(text, args...)}
}

// Report is the result of all checks.
type Report struct {
	Site     string    `json:"site"`
	URL      string    `json:"url"`
	Failed   int       `json:"failed"`
	Warnings int       `json:"warnings"`
	Checks   []Finding `json:"checks"`
}

// Examine runs all checks, and calls found with each finding as soon as it is made.
// It fails if the configuration is invalid or ctx ends, not if a check fails.
func Examine(ctx context.Context, c Config, found func(Finding)) (*Report, error) {
	d, err := newCheckup(c)
	if err != nil {
		return nil, err
	}
	defer d.http.CloseIdleConnections()
	report := &Report{Site: d.site.String(), URL: d.base.String()}
	for _, check := range d.checks() {
		f := check.run(ctx)
		if err := ctx.Err(); err != nil {
			return nil, err // the check found only that ctx ended
		}
		f.Check, f.Text = check.name, terminal.Printable(f.Text)
		switch f.Result {
		case Failed:
			report.Failed++
		case Warning:
			report.Warnings++
		}
		report.Checks = append(report.Checks, f)
		found(f)
	}
	return report, nil
}

// checkup is one run of the checks, and what it has learned so far.
type checkup struct {
	Config
	http   *http.Client
	site   *url.URL                 // for example https://example.org/blog
	base   *url.URL                 // of the transports, for example https://example.org/heartbeat
	origin string                   // of the site's pages
	users  map[string]*url.Userinfo // for the web servers of these hosts

	names     string        // what the web servers of the site call themselves, in lower case
	siteAhead time.Duration // PHP's clock minus ours
	// heartbeatdAhead is heartbeatd's clock minus ours; nil: not known yet.
	heartbeatdAhead *time.Duration
	siteAnswers     bool // WordPress answers
	isDown          bool // neither the web server nor we reach heartbeatd
	socketOpens     bool // the WebSocket handshake succeeds
	pollWorks       bool
	postWorks       bool
	ticketRefused   bool // heartbeatd refuses the tickets that the secret signs
}

func newCheckup(c Config) (*checkup, error) {
	site, err := url.Parse(strings.TrimSuffix(c.Site, "/"))
	if err != nil || originOf(site) == "" {
		return nil, fmt.Errorf("invalid site URL%s: it must be a URL such as https://example.org", shown(site))
	}
	users := make(map[string]*url.Userinfo)
	users[site.Host], site.User = site.User, nil
	site.RawQuery, site.Fragment = "", ""
	origin := &url.URL{Scheme: site.Scheme, Host: site.Host}
	base, err := url.Parse(strings.TrimSuffix(c.URL, "/"))
	if err == nil {
		base = origin.ResolveReference(base)
	}
	if err != nil || originOf(base) == "" || base.Path == "" {
		return nil, fmt.Errorf("invalid --url%s: it must be a path such as /heartbeat, or a URL such as https://live.example.org/heartbeat", shown(base))
	}
	if base.User != nil {
		users[base.Host], base.User = base.User, nil
	}
	c.timeout = cmp.Or(c.timeout, requestTimeout)
	c.patience, c.late = cmp.Or(c.patience, c.timeout/2), cmp.Or(c.late, c.timeout/5)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: c.roots}
	client := apiclient.NewHTTPClient(transport)
	client.CheckRedirect = followNode
	return &checkup{Config: c, site: site, base: base, origin: originOf(origin), users: users, http: client}, nil
}

// followNode follows the redirects of a node without NATS to the same address, as browsers do, and no others. A
// browser follows none of a WebSocket.
func followNode(r *http.Request, via []*http.Request) error {
	const most = 3 // see maxHops in package forward
	first := via[0].URL
	if r.Response.StatusCode != http.StatusTemporaryRedirect || len(via) > most || r.Header.Get("Upgrade") != "" ||
		r.URL.Scheme != first.Scheme || r.URL.Host != first.Host || r.URL.Path != first.Path {
		return http.ErrUseLastResponse
	}
	return nil
}

// shown returns a URL for an error, without its password.
func shown(u *url.URL) string {
	if u == nil {
		return ""
	}
	return " " + strconv.Quote(u.Redacted())
}

// originOf returns the origin of a URL as browsers write it. It is empty if the URL
// has none.
func originOf(u *url.URL) string {
	o, err := origin.Parse(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	return o.String()
}

// isSameOrigin reports whether the site and heartbeatd have the same origin.
func (d *checkup) isSameOrigin() bool { return originOf(d.base) == d.origin }

// hasTicket reports whether the checks can use a ticket that heartbeatd accepts.
func (d *checkup) hasTicket() bool { return d.API.SiteSecret != "" && !d.ticketRefused }

// path returns the path prefix of the transports, for example /heartbeat/.
func (d *checkup) path() string { return d.base.Path + "/" }

type check struct {
	name string
	run  func(context.Context) Finding
}

// checks returns the checks in the order in which one explains the next.
func (d *checkup) checks() []check {
	return []check{
		{"site", d.checkSite},
		{"headers", d.checkHeaders},
		{"api", d.checkAPI},
		{"socket", d.checkSocket},
		{"http2", d.checkHTTP2},
		{"script", d.checkScript},
		{"ticket", d.checkTicket},
		{"cookies", d.checkCookies},
		{"long-poll", d.checkLongPoll},
		{"events", d.checkEvents},
		{"post", d.checkPost},
		{"size", d.checkSize},
		{"clocks", d.checkClocks},
		{"origins", d.checkOrigins},
		{"cache", d.checkCache},
		{"admin", d.checkAdmin},
		{"idle", d.checkIdle},
	}
}
