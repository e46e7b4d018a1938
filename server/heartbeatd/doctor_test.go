package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/finding"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/doctor"
)

func TestDoctorFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"invalid site URL":  {"doctor", "example.org"},
		"it must be a path": {"doctor", "https://example.org", "--url", "https://live.example.org"},
		"expected \"<site":  {"doctor"},
		"unknown flag":      {"doctor", "https://example.org", "--insecure"},
	} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}

// TestDoctorPrints checks the output of a run in which checks fail, as text and as
// JSON.
func TestDoctorPrints(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x1b[31m<b>") }))
	defer site.Close()
	c := &doctorCmd{Site: site.URL, URL: "/heartbeat", Client: apiclient.Client{API: site.URL, SiteID: "blog"}}
	var out bytes.Buffer
	err := c.examine(t.Context(), &out)
	if err == nil || !strings.Contains(err.Error(), "of 17 checks failed") {
		t.Errorf("ended with %v", err)
	}
	if !strings.Contains(out.String(), "failed    site       no-wordpress: WordPress does not answer at the site’s address. ") || strings.Count(out.String(), "\n") < 17 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("printed %q", out.String())
	}
	if got := out.String(); strings.Count(got, "no-route: ") < 2 || strings.Count(got, "Fix: Route `/heartbeat/` to heartbeatd") != 1 || !strings.Contains(got, "In Apache: ") {
		t.Errorf("a finding of several checks is not explained once: %s", got)
	}
	out.Reset()
	c.JSON = true
	if again := c.examine(t.Context(), &out); again == nil || again.Error() != err.Error() {
		t.Errorf("with --json it ended with %v", again)
	}
	var report doctor.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || len(report.Checks) != 17 || report.Checks[0].Remedy == "" {
		t.Errorf("printed %s: %v", out.String(), err)
	}
}

// TestDoctorNamesWebServers checks that fixes are for the web servers that the site may have.
func TestDoctorNamesWebServers(t *testing.T) {
	const all = "nginx Apache Caddy lighttpd Varnish HAProxy"
	for _, c := range []struct {
		server, via, want string
		isElsewhere       bool // heartbeatd is on another host name
	}{
		{want: all},
		{server: "cloudflare", want: all},
		{server: "nginx/1.22.1", want: "nginx HAProxy"},
		{server: "Apache/2.4.62 (Debian)", via: "1.1 varnish (Varnish/7.1)", want: "Apache Varnish HAProxy"},
		{server: "nginx/1.22.1", isElsewhere: true, want: all},
	} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Server"], w.Header()["Via"] = []string{c.server}, []string{c.via}
		}))
		path := "/heartbeat"
		if c.isElsewhere {
			path = strings.Replace(site.URL, "127.0.0.1", "localhost", 1) + path
		}
		var out bytes.Buffer
		d := &doctorCmd{Site: site.URL, URL: path, Client: apiclient.Client{API: site.URL, SiteID: "blog"}}
		_ = d.examine(t.Context(), &out) // checks fail
		site.Close()
		var named []string
		for _, server := range finding.WebServers {
			if strings.Contains(out.String(), " In "+server+": ") {
				named = append(named, server)
			}
		}
		if got := strings.Join(named, " "); got != c.want {
			t.Errorf("%+v: %s\n%s", c, got, out.String())
		}
	}
}
