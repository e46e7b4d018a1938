package doctor

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
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
	site := handler(n)
	if broken != nil {
		site = broken(site)
	}
	web := httptest.NewServer(site)
	t.Cleanup(func() { web.CloseClientConnections(); web.Close() })
	return &deployment{web.URL, n.public, "http://" + n.admin}
}

// handler returns the handler of a web server with a WordPress, the plugin, and a route to heartbeatd.
func handler(n *node) http.Handler {
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
			tick(0)(w, r)
			return
		}
		w.WriteHeader(400)
		_, _ = io.WriteString(w, "0")
	})
	mux.HandleFunc(pluginScript, func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, clientjs.Dist, "heartbeat.js")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "<!doctype html><title>Page not found</title>")
	})
	return mux
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
			if f.Remedy == "" || f.Name == "" && f.Remedy != flagRemedy {
				t.Errorf("failed without a name or a remedy: %s", f)
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
	if f.Result != result || !strings.Contains(f.String(), text) {
		t.Errorf("%s; want %s of %s with %q", f, result, name, text)
	}
}

// TestWorkingDeployment checks that nothing fails where everything works.
func TestWorkingDeployment(t *testing.T) {
	d := deploy(t, nil)
	found := d.examine(t, func(c *Config) { c.Idle = 50 * time.Millisecond })
	if len(found) != 17 {
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
		"site": OK, "headers": OK, "api": OK, "socket": OK, "http2": OK, "script": OK, "ticket": Skipped, "cookies": Skipped, "long-poll": OK, "events": OK,
		"post": OK, "size": OK, "clocks": OK, "origins": OK, "cache": OK, "admin": OK, "idle": Skipped,
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

// TestPassword checks a site whose web server requires a password. The doctor prints it nowhere.
func TestPassword(t *testing.T) {
	guarded := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "ann" || password != "open:sesame" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	d := deploy(t, guarded)
	want(t, d.examine(t, nil), "socket", Failed, "user:password@")
	d.site = strings.Replace(d.site, "http://", "http://ann:open%3Asesame@", 1)
	found := d.examine(t, nil)
	if failed := failures(found); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	for _, f := range found {
		if strings.Contains(f.String(), "sesame") {
			t.Errorf("the password is printed: %s", f)
		}
	}
	_, err := Examine(t.Context(), Config{Site: "ftp://ann:sesame@example.org", URL: "/heartbeat"}, nil)
	if err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("an invalid URL with a password: %v", err)
	}
}

// TestUnixSocket checks a node whose admin listener is on a Unix socket.
func TestUnixSocket(t *testing.T) {
	n := start(t)
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	admin := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: n.admin}) }}}
	var serving sync.WaitGroup
	serving.Go(func() { _ = admin.Serve(l) })
	t.Cleanup(func() { _ = admin.Close(); serving.Wait() })
	d := behind(t, n, nil)
	for _, secret := range []string{testSecret, ""} {
		found := d.examine(t, func(c *Config) { c.API.API, c.API.SiteSecret = "unix:"+path, secret })
		for _, check := range []string{"api", "clocks", "admin"} {
			want(t, found, check, OK, "")
		}
		want(t, found, "admin", OK, "on a Unix socket")
	}
	d.admin = "unix:" + path + "-of-nobody"
	found := d.examine(t, nil)
	want(t, found, "api", Failed, "no answer from unix:")
	if name := found["api"].Name; name != "api-unreachable" {
		t.Errorf("named %q", name)
	}
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

// TestHandshakesAreTheirOwn checks that each handshake of the doctor has a URL of its own: a cache that
// stores the refusal of one must not answer those of pages with it.
func TestHandshakesAreTheirOwn(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{"/heartbeat/socket": 1} // that of pages
	d := deploy(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/socket") {
				mu.Lock()
				seen[r.RequestURI]++
				mu.Unlock()
			}
			next.ServeHTTP(w, r)
		})
	})
	d.examine(t, nil)
	mu.Lock()
	defer mu.Unlock()
	for url, n := range seen {
		if n > 1 || len(seen) < 3 {
			t.Errorf("%d handshakes with %s of %d URLs", n, url, len(seen))
		}
	}
}

// TestTicketsOfPages checks that no ticket of the doctor looks like SQL: a front that refuses one of
// hundreds would be found by chance.
func TestTicketsOfPages(t *testing.T) {
	d, err := newCheckup(Config{Site: "http://127.0.0.1", URL: "/heartbeat", API: apiclient.Client{SiteID: "blog", SiteSecret: testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 { // a signature has a comment of SQL once in a hundred times
		if p, err := d.newPage(); err != nil || strings.Contains(p.ticket, "--") {
			t.Fatalf("%v: %s", err, p.ticket)
		}
	}
}
