package doctor

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// deployment is a site whose web server passes /heartbeat/ on to a heartbeatd.
type deployment struct {
	site, heartbeatd, admin string
}

// deploy starts a deployment. broken wraps the handler of its web server, and
// breaks it.
func deploy(t *testing.T, broken func(next http.Handler) http.Handler) *deployment {
	t.Helper()
	return behind(t, start(t), broken)
}

func behind(t *testing.T, n *node, broken func(next http.Handler) http.Handler) *deployment {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: n.public}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorLog: quiet(),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/heartbeat/", proxy)
	mux.HandleFunc("/wp-admin/admin-ajax.php", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("action") == "heartbeat" {
			_, _ = io.WriteString(w, `{"wp-auth-check":false,"server_time":1790000000}`)
			return
		}
		w.WriteHeader(400)
		_, _ = io.WriteString(w, "0")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "<!doctype html><title>Page not found</title>")
	})
	var handler http.Handler = mux
	if broken != nil {
		handler = broken(handler)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	return &deployment{web.URL, n.public, "http://" + n.admin}
}

// examine runs the doctor, and returns its findings by check.
func (d *deployment) examine(t *testing.T, configure func(*Config)) map[string]Finding {
	t.Helper()
	c := Config{Site: d.site, URL: "/heartbeat", API: apiclient.Client{API: d.admin, SiteID: "blog", SiteSecret: testSecret}}
	if configure != nil {
		configure(&c)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	findings := make(map[string]Finding)
	failures, warnings := 0, 0
	report, err := Examine(ctx, c, func(f Finding) {
		findings[f.Check] = f
		switch {
		case f.Result == Warning:
			warnings++
		case f.Result == Failed:
			failures++
			if f.Remedy == "" {
				t.Errorf("%s failed without a remedy: %s", f.Check, f.Text)
			}
		}
		if strings.Contains(f.String(), testSecret) {
			t.Errorf("the secret is printed: %s", f)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed != failures || report.Warnings != warnings || len(report.Checks) != len(findings) {
		t.Errorf("the report counts %d failures and %d warnings of %d checks; %d, %d and %d were found",
			report.Failed, report.Warnings, len(report.Checks), failures, warnings, len(findings))
	}
	return findings
}

// failures returns the names of the checks that failed.
func failures(found map[string]Finding) (names []string) {
	for name, f := range found {
		if f.Result == Failed {
			names = append(names, name)
		}
	}
	return names
}

// want compares the result of a check, and a part of its text.
func want(t *testing.T, found map[string]Finding, name, result, text string) {
	t.Helper()
	f := found[name]
	if f.Result != result || !strings.Contains(f.Text+". "+f.Remedy, text) {
		t.Errorf("%s: %s: %s. %s; want %s with %q", name, f.Result, f.Text, f.Remedy, result, text)
	}
}

// TestWorkingDeployment checks that nothing fails where everything works.
func TestWorkingDeployment(t *testing.T) {
	d := deploy(t, nil)
	found := d.examine(t, func(c *Config) { c.Idle = 50 * time.Millisecond })
	if len(found) != 15 {
		t.Errorf("%d checks", len(found))
	}
	for name := range found {
		want(t, found, name, OK, "")
	}
	_, status := get(t, d.admin+"/metrics")
	if !strings.Contains(status, "heartbeatd_sessions") {
		t.Errorf("metrics: %s", status)
	}

	found = d.examine(t, func(c *Config) { c.API.SiteSecret = "" })
	for name, result := range map[string]string{
		"site": OK, "headers": OK, "api": OK, "socket": OK, "script": OK, "ticket": Skipped, "cookies": Skipped, "long-poll": OK, "events": OK,
		"post": OK, "clocks": OK, "origins": OK, "cache": OK, "admin": OK, "idle": Skipped,
	} {
		want(t, found, name, result, "")
	}
	found = d.examine(t, func(c *Config) { c.API.SiteSecret, c.API.APIKey = "", operator })
	want(t, found, "api", OK, "accepts the API key")
}

// TestLeavesNoSessions checks that the sessions of the doctor's pages end.
func TestLeavesNoSessions(t *testing.T) {
	d := deploy(t, nil)
	if failed := failures(d.examine(t, nil)); len(failed) > 0 {
		t.Fatal(failed)
	}
	deadline := time.Now().Add(5 * time.Second) // less than the 10 s for which a lost page is kept
	for left := ""; !strings.Contains(left, "heartbeatd_sessions 0\n"); _, left = get(t, d.admin+"/metrics") {
		if time.Now().After(deadline) {
			t.Fatalf("sessions are left: %s", left)
		}
	}
}

// only answers the requests that match, and passes the others on.
func only(matches func(*http.Request) bool, answer http.HandlerFunc) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if matches(r) {
				answer(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func under(prefix string) func(*http.Request) bool {
	return func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, prefix) }
}

// hasForeignCookie matches requests of a browser that is also logged in to another
// WordPress on the host.
func hasForeignCookie(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Cookie"), "wordpress_logged_in_")
}

// isPosted matches beats to WordPress.
func isPosted(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/wp-admin/")
}

// respond answers with a status and a text.
func respond(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		if status/100 == 3 {
			w.Header().Set("Location", text)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// changes changes every request to heartbeatd before it is passed on.
func changes(change func(*http.Request)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/heartbeat/") {
				change(r)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// TestBrokenDeployment breaks a web server in one way at a time: the check that names
// the fault fails, and unrelated checks do not.
func TestBrokenDeployment(t *testing.T) {
	n := start(t)
	cases := map[string]struct {
		broken func(http.Handler) http.Handler
		check  string
		result string
		text   string
	}{
		"no route":            {only(under("/heartbeat/"), respond(404, "text/html", "<html>")), "socket", Failed, "does not pass /heartbeat/ on to heartbeatd (404)"},
		"everything is PHP":   {only(under("/heartbeat/"), respond(200, "text/html", "<html>")), "socket", Failed, "does not pass /heartbeat/ on to heartbeatd (200)"},
		"another path":        {changes(func(r *http.Request) { r.URL.Path = "/heartbeat/x" + r.URL.Path }), "socket", Failed, "--base-path"},
		"redirected":          {only(under("/heartbeat/"), respond(301, "text/html", "https://www.example.org/")), "socket", Failed, "redirected to https://www.example.org/"},
		"password":            {only(under("/heartbeat/"), respond(401, "text/html", "")), "socket", Failed, "requires a password"},
		"forbidden":           {only(under("/heartbeat/"), respond(403, "text/html", "Attack detected")), "socket", Failed, "Attack detected"},
		"no upgrade":          {changes(func(r *http.Request) { r.Header.Del("Upgrade"); r.Header.Del("Connection") }), "socket", Failed, "without its upgrade (426)"},
		"old HTTP":            {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }), "socket", Failed, "without its upgrade (400)"},
		"no subprotocol":      {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Protocol") }), "socket", Failed, "without the subprotocol"},
		"heartbeatd is down":  {only(under("/heartbeat/"), respond(502, "text/html", "")), "socket", Failed, "does not reach heartbeatd (502)"},
		"heartbeatd hangs":    {only(under("/heartbeat/"), respond(504, "text/html", "")), "long-poll", Failed, "in time (504)"},
		"limited":             {only(under("/heartbeat/beat"), respond(429, "text/html", "")), "post", Failed, "429"},
		"Host rewritten":      {changes(func(r *http.Request) { r.Host = "127.0.0.1:8080" }), "socket", Failed, "changes the Host header"},
		"Origin taken away":   {changes(func(r *http.Request) { r.Header.Del("Origin") }), "origins", Failed, "a page of any origin"},
		"ticket taken away":   {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Ticket") }), "post", Failed, "Heartbeat-Ticket"},
		"cookies mixed up":    {only(hasForeignCookie, respond(403, "application/json", `{"type":"bye","code":4003,"reason":"the log-in cookie is of another session than the ticket"}`)), "cookies", Failed, "another WordPress on this host"},
		"cookies, and origin": {only(hasForeignCookie, respond(403, "application/json", `{"type":"bye","code":4000,"reason":"`+transport.OriginRefused+`"}`)), "cookies", Failed, "the origin of the site's pages"},
		"cookies kept out":    {only(hasForeignCookie, respond(403, "text/html", "Attack detected")), "cookies", Failed, "Attack detected"},
		"session taken away":  {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Session") }), "long-poll", Failed, "Heartbeat-Session"},
		"static rule":         {only(under("/heartbeat/heartbeat.js"), respond(404, "text/html", "")), "script", Warning, "static files"},
		"script kept":         {headers("Cache-Control", "max-age=31536000"), "script", Warning, "max-age=31536000"},
		"from a cache":        {headers("X-Cache", "HIT from somewhere"), "cache", Failed, "HIT from somewhere"},
		"answers changed":     {only(under("/heartbeat/poll"), respond(200, "text/html", "<html>")), "long-poll", Failed, "not the one that heartbeatd wrote"},
		"streams refused":     {only(under("/heartbeat/events"), respond(403, "text/html", "Attack detected")), "events", Failed, "Attack detected"},
		"streams changed":     {only(under("/heartbeat/events"), respond(200, "text/event-stream", "data: hello\n")), "events", Failed, "does not begin as heartbeatd wrote it: \"data: hello\""},
		"streams of text":     {only(under("/heartbeat/events"), respond(200, "text/plain", ":1\n\n")), "events", Failed, "the content type \"text/plain\""},
		"streams not routed":  {only(under("/heartbeat/events"), respond(404, "text/html", "<html>")), "events", Failed, "does not pass /heartbeat/ on to heartbeatd (404)"},
		"streams cut":         {only(under("/heartbeat/events"), respond(200, "text/event-stream", "")), "events", Failed, "is cut: it ends"},
		"polls cut":           {only(under("/heartbeat/poll"), respond(504, "text/html", "")), "long-poll", Failed, "504"},
		"admin is public":     {only(under("/metrics"), respond(200, "text/plain", "heartbeatd_sessions 3\n")), "admin", Failed, "/metrics"},
		"many headers":        {headers("X-Extra", strings.Repeat("x", 1800)), "headers", Warning, "for a ticket"},
		"too many headers":    {headers("X-Extra", strings.Repeat("x", 2600)), "headers", Warning, "no room for a ticket"},
		"no beats":            {only(isPosted, respond(404, "text/html", "nothing")), "headers", Skipped, "(404"},
		"site moved":          {only(under("/wp-admin/"), respond(301, "text/html", "https://www.example.org/wp-admin/")), "site", Failed, "https://www.example.org/"},
		"site is something":   {only(under("/wp-admin/"), respond(404, "text/html", "no such page")), "site", Failed, "no such page"},
		"site is protected":   {only(under("/wp-admin/"), respond(401, "text/html", "")), "site", Failed, "refused (401)"},
		"site is broken":      {only(under("/wp-admin/"), respond(500, "text/html", "")), "site", Failed, "an error (500)"},
		"the site is late":    {dated(10 * time.Minute), "clocks", Failed, "10m0s ahead of heartbeatd's"},
		"the site is early":   {dated(-30 * time.Second), "clocks", Warning, "30s behind heartbeatd's"},
		"tickets from future": {dated(10 * time.Minute), "ticket", Failed, "the clocks differ"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found := behind(t, n, c.broken).examine(t, nil)
			want(t, found, c.check, c.result, c.text)
			if failed := failures(found); (len(failed) > 0) != (c.result == Failed) {
				t.Errorf("failed: %v", failed)
			}
			for _, check := range []string{"api", "admin"} {
				if check != c.check && !strings.Contains(name, "future") && !strings.Contains(name, "late") {
					want(t, found, check, OK, "")
				}
			}
		})
	}
}

// headers adds a header to every answer of the web server.
func headers(name, value string) func(http.Handler) http.Handler {
	return rewritten(func(h http.Header) { h.Set(name, value) })
}

// dated sets the clock of the web server wrong.
func dated(by time.Duration) func(http.Handler) http.Handler {
	return rewritten(func(h http.Header) { h.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat)) })
}

func rewritten(change func(http.Header)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				next.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(&headerWriter{w, change}, r)
		})
	}
}

type headerWriter struct {
	http.ResponseWriter
	change func(http.Header)
}

// Unwrap has the web server pass on event streams as they are written.
func (w *headerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *headerWriter) WriteHeader(status int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(b []byte) (int, error) {
	w.change(w.Header())
	return w.ResponseWriter.Write(b)
}

// TestInvalidConfig checks that invalid URLs are errors, and that the end of the
// context is one.
func TestInvalidConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"invalid site URL":  {Site: "example.org", URL: "/heartbeat"},
		"it must be a path": {Site: "https://example.org", URL: "https://live.example.org"},
	} {
		if _, err := Examine(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Examine(ctx, Config{Site: "http://127.0.0.1:1", URL: "/heartbeat"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: %v", err)
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
