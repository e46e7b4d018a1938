package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server"
)

// doctorCmd looks at a deployment as a browser and as WordPress do, from
// outside. It knows heartbeatd by its answers only.
type doctorCmd struct {
	Site     string `arg:"" name:"site-url" help:"The site's address, with the subdirectory that WordPress is in: where wp-admin is."`
	URL      string `default:"/heartbeat" help:"heartbeatd's address for browsers: HEARTBEATD_URL of wp-config.php." placeholder:"URL"`
	apiFlags `embed:""`
	Idle     time.Duration `default:"26s" help:"How long a socket and a poll are left alone, to see that nothing on the way ends them. 0s leaves it out."`
	JSON     bool          `help:"Print one JSON object."`

	wait time.Duration `kong:"-"` // askWait, where a test has not another
}

// What became of a check.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultFailed  = "failed"
	resultLeftOut = "left out"
)

// finding is what a check found.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Text   string `json:"text"`
	Mend   string `json:"mend,omitempty"` // what to do about it
}

func ok(text string, args ...any) finding {
	return finding{Result: resultOK, Text: fmt.Sprintf(text, args...)}
}

func warning(mend, text string, args ...any) finding {
	return finding{Result: resultWarning, Text: fmt.Sprintf(text, args...), Mend: mend}
}

func failed(mend, text string, args ...any) finding {
	return finding{Result: resultFailed, Text: fmt.Sprintf(text, args...), Mend: mend}
}

func leftOut(text string, args ...any) finding {
	return finding{Result: resultLeftOut, Text: fmt.Sprintf(text, args...)}
}

// Run prints a line for every check. An error says that something failed.
func (c *doctorCmd) Run(ctx context.Context) error {
	return c.examine(ctx, os.Stdout)
}

func (c *doctorCmd) examine(ctx context.Context, w io.Writer) error {
	d, err := newCheckup(c)
	if err != nil {
		return err
	}
	defer d.close()
	report := struct {
		Site     string    `json:"site"`
		URL      string    `json:"url"`
		Failed   int       `json:"failed"`
		Warnings int       `json:"warnings"`
		Checks   []finding `json:"checks"`
	}{Site: d.site.String(), URL: d.live.String()}
	for _, check := range d.checks() {
		f := check.run(ctx)
		if err := ctx.Err(); err != nil {
			return err // what was found last is only that somebody stopped us
		}
		f.Check, f.Text, f.Mend = check.name, printable(f.Text), printable(f.Mend)
		switch f.Result {
		case resultFailed:
			report.Failed++
		case resultWarning:
			report.Warnings++
		}
		report.Checks = append(report.Checks, f)
		if !c.JSON {
			f.print(w)
		}
	}
	if c.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(report); err != nil {
			return err
		}
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d of %d checks failed", report.Failed, len(report.Checks))
	}
	return nil
}

func (f finding) print(w io.Writer) {
	line := fmt.Sprintf("%-8s  %-9s  %s", f.Result, f.Check, f.Text)
	if f.Mend != "" {
		line += ". " + f.Mend
	}
	_, _ = fmt.Fprintln(w, line)
}

// checkup is one examination, and what it has learned so far.
type checkup struct {
	*doctorCmd
	http   *http.Client
	site   *url.URL // as https://example.org/blog
	live   *url.URL // as https://example.org/heartbeat
	origin string   // of the site's pages

	siteAhead time.Duration // of our clock, as the site's Date says
	// heartbeatdAhead is of our clock, as heartbeatd says; nil: it has not yet.
	heartbeatdAhead *time.Duration
	upgraded        bool // the socket's handshake goes through
	polls           bool // the long-poll works
	refused         bool // heartbeatd takes no tickets of this secret

	patience time.Duration // for one request
}

func newCheckup(c *doctorCmd) (*checkup, error) {
	site, err := url.Parse(strings.TrimSuffix(c.Site, "/"))
	if err != nil || browserOrigin(site) == "" {
		return nil, fmt.Errorf("%q is not a site's address: it must be one as https://example.org", c.Site)
	}
	site.RawQuery, site.Fragment, site.User = "", "", nil
	origin := &url.URL{Scheme: site.Scheme, Host: site.Host}
	live, err := origin.Parse(strings.TrimSuffix(c.URL, "/"))
	if err != nil || browserOrigin(live) == "" || live.Path == "" {
		return nil, fmt.Errorf("--url %q: it must be a path as /heartbeat, or an address as https://live.example.org/heartbeat", c.URL)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	return &checkup{
		doctorCmd: c, site: site, live: live, origin: browserOrigin(origin),
		http: noRedirects(transport), patience: cmp.Or(c.wait, askWait),
	}, nil
}

// browserOrigin is an address's origin as browsers write it, or empty if it has none.
func browserOrigin(u *url.URL) string {
	o, err := server.ParseOrigin(u.Scheme + "://" + u.Host)
	if err != nil {
		return ""
	}
	return o.String()
}

func (d *checkup) close() { d.http.CloseIdleConnections() }

// sameOrigin says whether browsers count heartbeatd's address to the site.
func (d *checkup) sameOrigin() bool { return browserOrigin(d.live) == d.origin }

// signs says whether there are tickets to come with.
func (d *checkup) signs() bool { return d.SiteSecret != "" && !d.refused }

type check struct {
	name string
	run  func(context.Context) finding
}

// checks are in the order in which one explains the next.
func (d *checkup) checks() []check {
	return []check{
		{"site", d.checkSite},
		{"headers", d.checkHeaders},
		{"api", d.checkAPI},
		{"socket", d.checkSocket},
		{"script", d.checkScript},
		{"ticket", d.checkTicket},
		{"cookies", d.checkCookies},
		{"long-poll", d.checkLongPoll},
		{"post", d.checkPost},
		{"clocks", d.checkClocks},
		{"origins", d.checkOrigins},
		{"cache", d.checkCache},
		{"admin", d.checkAdmin},
		{"idle", d.checkIdle},
	}
}
