package main

import (
	"bytes"
	"context"
	"encoding/json"
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

	"github.com/heartbeatd/heartbeatd/transport"
)

// deployment is a site whose web server passes /heartbeat/ on to a heartbeatd.
type deployment struct {
	site, heartbeatd, admin string
}

// deploy starts one. broken stands between the browser and the web server's own
// handler, and does what a web server should not.
func deploy(t *testing.T, c serveCmd, broken func(next http.Handler) http.Handler) *deployment {
	t.Helper()
	secret := testSecret
	c.SiteID, c.SiteSecret = "blog", &secret
	p := start(t, c)
	return behind(t, p, broken)
}

func behind(t *testing.T, p *program, broken func(next http.Handler) http.Handler) *deployment {
	t.Helper()
	target := &url.URL{Scheme: "http", Host: p.public}
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
	return &deployment{web.URL, p.public, "http://" + p.admin}
}

// examine runs the doctor and returns what it found, by check.
func (d *deployment) examine(t *testing.T, configure func(*doctorCmd)) (map[string]finding, error) {
	t.Helper()
	c := &doctorCmd{Site: d.site, URL: "/heartbeat", apiFlags: apiFlags{API: d.admin, SiteID: "blog", SiteSecret: testSecret}, JSON: true}
	if configure != nil {
		configure(c)
	}
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := c.examine(ctx, &out)
	if strings.Contains(out.String(), testSecret) {
		t.Errorf("the secret is printed: %s", out.String())
	}
	var report struct{ Checks []finding }
	if decodeErr := json.Unmarshal(out.Bytes(), &report); decodeErr != nil {
		t.Fatalf("printed %q: %v, after %v", out.String(), decodeErr, err)
	}
	found := make(map[string]finding)
	for _, f := range report.Checks {
		if found[f.Check] = f; f.Result == resultFailed && f.Mend == "" {
			t.Errorf("%s failed, and nothing is said to mend it: %s", f.Check, f.Text)
		}
	}
	return found, err
}

// want compares a check's result, and a part of what it says.
func want(t *testing.T, found map[string]finding, name, result, text string) {
	t.Helper()
	f := found[name]
	if f.Result != result || !strings.Contains(f.Text+". "+f.Mend, text) {
		t.Errorf("%s: %s: %s. %s; want %s with %q", name, f.Result, f.Text, f.Mend, result, text)
	}
}

func TestDoctorFindsNothing(t *testing.T) {
	d := deploy(t, serveCmd{APIKey: "an-operator-key"}, nil)
	found, err := d.examine(t, func(c *doctorCmd) { c.Idle = 50 * time.Millisecond })
	if err != nil || len(found) != 14 {
		t.Errorf("%d checks, %v", len(found), err)
	}
	for name := range found {
		want(t, found, name, resultOK, "")
	}
	_, status := get(t, d.admin+"/metrics")
	if !strings.Contains(status, "heartbeatd_sessions") {
		t.Errorf("metrics: %s", status)
	}

	found, err = d.examine(t, func(c *doctorCmd) { c.SiteSecret = "" })
	if err != nil {
		t.Errorf("without a secret: %v", err)
	}
	for name, result := range map[string]string{
		"site": resultOK, "headers": resultOK, "api": resultOK, "socket": resultOK, "script": resultOK, "ticket": resultLeftOut, "cookies": resultLeftOut, "long-poll": resultOK,
		"post": resultOK, "clocks": resultOK, "origins": resultOK, "cache": resultOK, "admin": resultOK, "idle": resultLeftOut,
	} {
		want(t, found, name, result, "")
	}
	found, _ = d.examine(t, func(c *doctorCmd) { c.SiteSecret, c.APIKey = "", "an-operator-key" })
	want(t, found, "api", resultOK, "takes the key")
}

// TestDoctorLeavesNothing looks at what the doctor's pages left in the rooms.
func TestDoctorLeavesNothing(t *testing.T) {
	d := deploy(t, serveCmd{}, nil)
	if _, err := d.examine(t, nil); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second) // well within the 10 s that a lost page stays
	for left := ""; !strings.Contains(left, "heartbeatd_sessions 0\n"); _, left = get(t, d.admin+"/metrics") {
		if time.Now().After(deadline) {
			t.Fatalf("pages stay: %s", left)
		}
	}
}

// only answers the requests that match, and passes on the rest.
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

// carriesForeignCookie matches the browser of somebody who is also logged in to
// another WordPress on the host.
func carriesForeignCookie(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Cookie"), "wordpress_logged_in_")
}

// isPosted tells a beat to WordPress.
func isPosted(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/wp-admin/")
}

// says answers with a status and a text.
func says(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		if status/100 == 3 {
			w.Header().Set("Location", text)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// changes has every request to heartbeatd changed before it is passed on.
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

// TestDoctorFindsWhatIsWrong has a web server that is wrong in one way, and
// wants the check that names it. The others are not to fail without need.
func TestDoctorFindsWhatIsWrong(t *testing.T) {
	secret := testSecret
	p := start(t, serveCmd{SiteID: "blog", SiteSecret: &secret})
	cases := map[string]struct {
		broken func(http.Handler) http.Handler
		check  string
		result string
		text   string
	}{
		"no route":            {only(under("/heartbeat/"), says(404, "text/html", "<html>")), "socket", resultFailed, "does not pass /heartbeat/ on to heartbeatd (404)"},
		"everything is PHP":   {only(under("/heartbeat/"), says(200, "text/html", "<html>")), "socket", resultFailed, "does not pass /heartbeat/ on to heartbeatd (200)"},
		"another path":        {changes(func(r *http.Request) { r.URL.Path = "/heartbeat/x" + r.URL.Path }), "socket", resultFailed, "--base-path"},
		"redirected":          {only(under("/heartbeat/"), says(301, "text/html", "https://www.example.org/")), "socket", resultFailed, "redirected to https://www.example.org/"},
		"password":            {only(under("/heartbeat/"), says(401, "text/html", "")), "socket", resultFailed, "password"},
		"forbidden":           {only(under("/heartbeat/"), says(403, "text/html", "Attack detected")), "socket", resultFailed, "Attack detected"},
		"no upgrade":          {changes(func(r *http.Request) { r.Header.Del("Upgrade"); r.Header.Del("Connection") }), "socket", resultFailed, "without its upgrade (426)"},
		"old HTTP":            {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }), "socket", resultFailed, "without its upgrade (400)"},
		"no subprotocol":      {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Protocol") }), "socket", resultFailed, "without the subprotocol"},
		"heartbeatd is down":  {only(under("/heartbeat/"), says(502, "text/html", "")), "socket", resultFailed, "does not reach heartbeatd (502)"},
		"heartbeatd hangs":    {only(under("/heartbeat/"), says(504, "text/html", "")), "long-poll", resultFailed, "in time (504)"},
		"limited":             {only(under("/heartbeat/beat"), says(429, "text/html", "")), "post", resultFailed, "429"},
		"Host rewritten":      {changes(func(r *http.Request) { r.Host = "127.0.0.1:8080" }), "socket", resultFailed, "changes the Host"},
		"Origin taken away":   {changes(func(r *http.Request) { r.Header.Del("Origin") }), "origins", resultFailed, "a page of any origin"},
		"ticket taken away":   {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Ticket") }), "post", resultFailed, "Heartbeat-Ticket"},
		"cookies mixed up":    {only(carriesForeignCookie, says(403, "application/json", `{"type":"bye","code":4003,"reason":"the log-in cookie is of another session than the ticket"}`)), "cookies", resultFailed, "another WordPress on this host"},
		"cookies, and origin": {only(carriesForeignCookie, says(403, "application/json", `{"type":"bye","code":4000,"reason":"`+transport.OriginRefused+`"}`)), "cookies", resultFailed, "for another origin"},
		"cookies kept out":    {only(carriesForeignCookie, says(403, "text/html", "Attack detected")), "cookies", resultFailed, "Attack detected"},
		"session taken away":  {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Session") }), "long-poll", resultFailed, "Heartbeat-Session"},
		"static rule":         {only(under("/heartbeat/heartbeat.js"), says(404, "text/html", "")), "script", resultWarning, "static files"},
		"script kept":         {headers("Cache-Control", "max-age=31536000"), "script", resultWarning, "max-age=31536000"},
		"from a cache":        {headers("X-Cache", "HIT from somewhere"), "cache", resultFailed, "HIT from somewhere"},
		"answers changed":     {only(under("/heartbeat/poll"), says(200, "text/html", "<html>")), "long-poll", resultFailed, "not what heartbeatd wrote"},
		"polls cut":           {only(under("/heartbeat/poll"), says(504, "text/html", "")), "long-poll", resultFailed, "504"},
		"admin is public":     {only(under("/metrics"), says(200, "text/plain", "heartbeatd_sessions 3\n")), "admin", resultFailed, "/metrics"},
		"many headers":        {headers("X-Extra", strings.Repeat("x", 1800)), "headers", resultWarning, "are left for the ticket"},
		"too many headers":    {headers("X-Extra", strings.Repeat("x", 2600)), "headers", resultWarning, "no ticket fits beside them"},
		"no beats":            {only(isPosted, says(404, "text/html", "nothing")), "headers", resultLeftOut, "(404"},
		"site moved":          {only(under("/wp-admin/"), says(301, "text/html", "https://www.example.org/wp-admin/")), "site", resultFailed, "https://www.example.org/"},
		"site is something":   {only(under("/wp-admin/"), says(404, "text/html", "no such page")), "site", resultFailed, "no such page"},
		"site is protected":   {only(under("/wp-admin/"), says(401, "text/html", "")), "site", resultFailed, "refused (401)"},
		"site is broken":      {only(under("/wp-admin/"), says(500, "text/html", "")), "site", resultFailed, "an error (500)"},
		"the site is late":    {dated(10 * time.Minute), "clocks", resultFailed, "10m0s ahead of heartbeatd's"},
		"the site is early":   {dated(-30 * time.Second), "clocks", resultWarning, "30s behind heartbeatd's"},
		"tickets from future": {dated(10 * time.Minute), "ticket", resultFailed, "the clocks are apart"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := behind(t, p, c.broken).examine(t, nil)
			want(t, found, c.check, c.result, c.text)
			if (err != nil) != (c.result == resultFailed) {
				t.Errorf("ended with %v", err)
			}
			for _, check := range []string{"api", "admin"} {
				if check != c.check && !strings.Contains(name, "future") && !strings.Contains(name, "late") {
					want(t, found, check, resultOK, "")
				}
			}
		})
	}
}

// headers has the web server write a header on every answer.
func headers(name, value string) func(http.Handler) http.Handler {
	return rewritten(func(h http.Header) { h.Set(name, value) })
}

// dated has the web server's clock wrong.
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

func (w *headerWriter) WriteHeader(status int) {
	w.change(w.Header())
	w.ResponseWriter.WriteHeader(status)
}

func (w *headerWriter) Write(b []byte) (int, error) {
	w.change(w.Header())
	return w.ResponseWriter.Write(b)
}

func TestDoctorFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"not a site's address": {"doctor", "example.org"},
		"it must be a path":    {"doctor", "https://example.org", "--url", "https://live.example.org"},
		"expected \"<site":     {"doctor"},
		"unknown flag":         {"doctor", "https://example.org", "--insecure"},
	} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&doctorCmd{Site: "http://127.0.0.1:1", URL: "/heartbeat"}).examine(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }
