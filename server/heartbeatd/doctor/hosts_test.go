package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
)

// TestHostsThatDoNotAnswer checks what is found of hosts that cannot be reached.
func TestHostsThatDoNotAnswer(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = quiet()
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hung.Close()
	defer close(release)
	for site, text := range map[string]string{
		gone.URL:                    "refuses connections",
		secure.URL:                  "certificate",
		"http://heartbeatd.invalid": "the host heartbeatd.invalid does not exist",
		hung.URL:                    "does not answer within 100ms",
	} {
		d := &deployment{site: site, admin: gone.URL}
		found := d.examine(t, func(c *Config) {
			if site == hung.URL {
				c.timeout = 100 * time.Millisecond
			}
		})
		want(t, found, "site", Failed, text)
		want(t, found, "socket", Failed, text)
		want(t, found, "api", Failed, "is the URL of its --admin-listen")
		want(t, found, "ticket", Skipped, "")
		want(t, found, "clocks", Skipped, "")
	}
	if f := (&checkup{Config: Config{API: apiclient.Client{API: apiclient.DefaultURL}}}).diagnoseAPI("no answer"); f.Result != Warning {
		t.Errorf("without --api: %+v", f)
	}
}

// TestWrongSecrets checks what is found with the secret or ID of another site.
func TestWrongSecrets(t *testing.T) {
	d := deploy(t, nil)
	found := d.examine(t, func(c *Config) { c.API.SiteSecret = "another secret, which is as long as it should be" })
	want(t, found, "api", Failed, "signature is invalid")
	want(t, found, "ticket", Failed, "a different secret")
	want(t, found, "long-poll", OK, "that needs a valid ticket")
	want(t, found, "post", OK, "that needs a valid ticket")
	found = d.examine(t, func(c *Config) { c.API.SiteID = "shop" })
	want(t, found, "ticket", Failed, `site "shop", or no such site`)
	found = d.examine(t, func(c *Config) { c.API.SiteSecret, c.API.APIKey = "", "another key" })
	want(t, found, "api", Failed, "--api-key of heartbeatd")
	found = d.examine(t, func(c *Config) { c.API.API = d.site })
	want(t, found, "api", Failed, "not heartbeatd's API")
	found = d.examine(t, func(c *Config) { c.API.API, c.API.SiteSecret = d.site, "" })
	want(t, found, "api", Failed, "not heartbeatd's API")
}

// TestOtherHost checks a heartbeatd with a host name of its own.
func TestOtherHost(t *testing.T) {
	site := deploy(t, only(under("/heartbeat/"), respond(404, "text/html", "<html>")))
	n := start(t, site.site)
	elsewhere := func(url string) func(*Config) {
		return func(c *Config) { c.URL, c.API.API = url+"/heartbeat/", "http://"+n.admin }
	}
	found := site.examine(t, elsewhere("http://"+n.public))
	if failed := failures(found); len(failed) > 0 {
		t.Errorf("failed: %v, of %+v", failed, found)
	}
	want(t, found, "origins", OK, "can access "+n.public)

	// A heartbeatd without the site's origin.
	strange := start(t)
	found = site.examine(t, elsewhere("http://"+strange.public))
	want(t, found, "socket", Failed, "--site-origin "+site.site)

	// A web server that adds headers of its own.
	doubled := behind(t, n, rewritten(func(h http.Header) { h.Add("Access-Control-Allow-Origin", "*") }))
	found = site.examine(t, elsewhere(doubled.site))
	want(t, found, "origins", Failed, "must not add")
	answered := behind(t, n, only(func(r *http.Request) bool { return r.Method == "OPTIONS" }, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}))
	found = site.examine(t, elsewhere(answered.site))
	want(t, found, "origins", Failed, "answer OPTIONS itself")
}

// TestFindsCache checks that a cache which stores polls by their URL is found.
func TestFindsCache(t *testing.T) {
	var mu sync.Mutex
	kept := make(map[string]*httptest.ResponseRecorder)
	d := deploy(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			key := r.URL.String()
			if !strings.HasSuffix(key, "/poll?after=0") {
				next.ServeHTTP(w, r)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if kept[key] == nil {
				kept[key] = httptest.NewRecorder()
				next.ServeHTTP(kept[key], r)
			}
			w.WriteHeader(kept[key].Code)
			_, _ = w.Write(kept[key].Body.Bytes())
		})
	})
	found := d.examine(t, func(c *Config) { c.timeout = 2 * time.Second })
	if found["cache"].Result != Failed && found["long-poll"].Result != Failed {
		t.Errorf("the cache is not found: %+v", found)
	}
}

// TestFindsBuffering checks that a web server which delays answers is found.
func TestFindsBuffering(t *testing.T) {
	held := func(d time.Duration) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if strings.HasSuffix(r.URL.Path, "/poll") && r.URL.RawQuery != "after=0" {
					select {
					case <-time.After(d):
					case <-r.Context().Done():
					}
				}
			})
		}
	}
	d := deploy(t, held(600*time.Millisecond))
	found := d.examine(t, func(c *Config) { c.timeout = 2 * time.Second })
	want(t, found, "long-poll", Failed, "late")
	found = d.examine(t, func(c *Config) { c.timeout = 300 * time.Millisecond })
	want(t, found, "long-poll", Failed, "proxy_buffering off")
}

// holding holds event streams back until they end.
func holding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			w = struct{ http.ResponseWriter }{w} // it cannot be flushed
		}
		next.ServeHTTP(w, r)
	})
}

// TestFindsHeldStreams checks that a web server which buffers event streams is found. Where
// pages have a WebSocket it is no failure.
func TestFindsHeldStreams(t *testing.T) {
	quick := func(c *Config) { c.patience = time.Second }
	found := deploy(t, holding).examine(t, quick)
	want(t, found, "events", Warning, "holds event streams back: nothing of it arrives within 1s")
	want(t, found, "events", Warning, "`proxy_buffering off`")
	if failed := failures(found); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	found = deploy(t, holding).examine(t, func(c *Config) { quick(c); c.API.SiteSecret = "" })
	want(t, found, "events", Warning, "within 1s")
	found = deploy(t, func(next http.Handler) http.Handler {
		return changes(func(r *http.Request) { r.Header.Del("Upgrade"); r.Header.Del("Connection") })(holding(next))
	}).examine(t, quick)
	want(t, found, "events", Failed, "within 1s")
}

// TestFindsLateEvents checks that a web server is found which passes the beginning of an
// event stream on, and holds the rest back.
func TestFindsLateEvents(t *testing.T) {
	held := func(d time.Duration) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/events") {
					w = &lateWriter{ResponseWriter: w, ctx: r.Context(), by: d}
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	found := deploy(t, held(700*time.Millisecond)).examine(t, func(c *Config) { c.timeout = 3 * time.Second })
	want(t, found, "events", Warning, "s late")
	found = deploy(t, held(time.Minute)).examine(t, func(c *Config) { c.timeout = 2 * time.Second })
	want(t, found, "events", Warning, "a change does not arrive within 2s")
}

// lateWriter writes at once what is written first, and the rest after a time.
type lateWriter struct {
	http.ResponseWriter
	ctx   context.Context
	by    time.Duration
	begun bool
}

func (w *lateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *lateWriter) Write(b []byte) (int, error) {
	if w.begun {
		select {
		case <-time.After(w.by):
		case <-w.ctx.Done():
		}
	}
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// TestFindsIdleTimeout checks that a web server which closes silent connections is
// found.
func TestFindsIdleTimeout(t *testing.T) {
	const limit = 2 * time.Second // much longer than the other checks take
	sockets := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") != "" {
				ctx, cancel := context.WithTimeout(r.Context(), limit)
				defer cancel()
				r = r.WithContext(ctx)
			}
			next.ServeHTTP(w, r)
		})
	}
	polls := func(next http.Handler) http.Handler {
		limited := http.TimeoutHandler(next, limit, "Gateway Timeout")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/poll") {
				limited.ServeHTTP(w, r)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	for what, broken := range map[string]func(http.Handler) http.Handler{"WebSocket": sockets, "poll": polls} {
		t.Run(what, func(t *testing.T) {
			found := deploy(t, broken).examine(t, func(c *Config) { c.Idle = 10 * time.Second })
			want(t, found, "idle", Failed, "a silent "+what+" is closed after 2")
			want(t, found, "socket", OK, "")
			want(t, found, "long-poll", OK, "")
		})
	}
}
