package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDoctorWithoutAnswers has hosts that do not answer at all.
func TestDoctorWithoutAnswers(t *testing.T) {
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
		gone.URL:                    "nothing listens at",
		secure.URL:                  "certificate",
		"http://heartbeatd.invalid": "there is no host heartbeatd.invalid",
		hung.URL:                    "no answer within 100ms",
	} {
		d := &deployment{site: site, admin: gone.URL}
		found, err := d.examine(t, func(c *doctorCmd) {
			if site == hung.URL {
				c.wait = 100 * time.Millisecond
			}
		})
		if err == nil {
			t.Errorf("%s: nothing failed", site)
		}
		want(t, found, "site", resultFailed, text)
		want(t, found, "socket", resultFailed, text)
		want(t, found, "api", resultFailed, "is that its --admin-listen")
		want(t, found, "ticket", resultLeftOut, "")
		want(t, found, "clocks", resultLeftOut, "")
	}
	if f := (&checkup{doctorCmd: &doctorCmd{apiFlags: apiFlags{API: defaultAPI}}}).noAPI("nothing answers"); f.Result != resultWarning {
		t.Errorf("without --api: %+v", f)
	}
}

// TestDoctorSecrets has secrets and ids that are not heartbeatd's.
func TestDoctorSecrets(t *testing.T) {
	d := deploy(t, serveCmd{APIKey: "an-operator-key"}, nil)
	found, _ := d.examine(t, func(c *doctorCmd) { c.SiteSecret = "another secret, which is as long as it should be" })
	want(t, found, "api", resultFailed, "signature is invalid")
	want(t, found, "ticket", resultFailed, "another secret")
	want(t, found, "long-poll", resultOK, "without a good ticket")
	want(t, found, "post", resultOK, "without a good ticket")
	found, _ = d.examine(t, func(c *doctorCmd) { c.SiteID = "shop" })
	want(t, found, "ticket", resultFailed, `no site "shop"`)
	found, _ = d.examine(t, func(c *doctorCmd) { c.SiteSecret, c.APIKey = "", "another key" })
	want(t, found, "api", resultFailed, "--api-key must be heartbeatd's")
	found, _ = d.examine(t, func(c *doctorCmd) { c.API = d.site })
	want(t, found, "api", resultFailed, "not heartbeatd's API")
	found, _ = d.examine(t, func(c *doctorCmd) { c.API, c.SiteSecret = d.site, "" })
	want(t, found, "api", resultFailed, "not heartbeatd's API")
}

// TestDoctorOnAnotherHost has heartbeatd on a host name of its own.
func TestDoctorOnAnotherHost(t *testing.T) {
	site := deploy(t, serveCmd{}, only(under("/heartbeat/"), says(404, "text/html", "<html>")))
	secret := testSecret
	p := start(t, serveCmd{SiteID: "blog", SiteSecret: &secret, SiteOrigin: []string{site.site}})
	elsewhere := func(url string) func(*doctorCmd) {
		return func(c *doctorCmd) { c.URL, c.API = url+"/heartbeat/", "http://"+p.admin }
	}
	found, err := site.examine(t, elsewhere("http://"+p.public))
	if err != nil {
		t.Errorf("%v: %+v", err, found)
	}
	want(t, found, "origins", resultOK, "may talk to "+p.public)

	// One that does not know the site's origin.
	strange := start(t, serveCmd{SiteID: "blog", SiteSecret: &secret})
	found, _ = site.examine(t, elsewhere("http://"+strange.public))
	want(t, found, "socket", resultFailed, "--site-origin "+site.site)

	// A web server that adds what heartbeatd says already.
	doubled := behind(t, p, rewritten(func(h http.Header) { h.Add("Access-Control-Allow-Origin", "*") }))
	found, _ = site.examine(t, elsewhere(doubled.site))
	want(t, found, "origins", resultFailed, "must not add")
	answered := behind(t, p, only(func(r *http.Request) bool { return r.Method == "OPTIONS" }, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}))
	found, _ = site.examine(t, elsewhere(answered.site))
	want(t, found, "origins", resultFailed, "answer OPTIONS itself")
}

// TestDoctorFindsCache has a cache that keeps a poll's answer by its address.
func TestDoctorFindsCache(t *testing.T) {
	var mu sync.Mutex
	kept := make(map[string]*httptest.ResponseRecorder)
	d := deploy(t, serveCmd{}, func(next http.Handler) http.Handler {
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
	found, _ := d.examine(t, func(c *doctorCmd) { c.wait = 2 * time.Second })
	if found["cache"].Result != resultFailed && found["long-poll"].Result != resultFailed {
		t.Errorf("the cache is not found: %+v", found)
	}
}

// TestDoctorFindsBuffering has a web server that holds answers back.
func TestDoctorFindsBuffering(t *testing.T) {
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
	d := deploy(t, serveCmd{}, held(600*time.Millisecond))
	found, _ := d.examine(t, func(c *doctorCmd) { c.wait = 2 * time.Second })
	want(t, found, "long-poll", resultFailed, "late")
	found, _ = d.examine(t, func(c *doctorCmd) { c.wait = 300 * time.Millisecond })
	want(t, found, "long-poll", resultFailed, "proxy_buffering off")
}

// TestDoctorFindsCuts has web servers that end what is silent.
func TestDoctorFindsCuts(t *testing.T) {
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
	for what, broken := range map[string]func(http.Handler) http.Handler{"a socket": sockets, "a poll": polls} {
		t.Run(what, func(t *testing.T) {
			found, _ := deploy(t, serveCmd{}, broken).examine(t, func(c *doctorCmd) { c.Idle = 10 * time.Second })
			want(t, found, "idle", resultFailed, what+" that is silent is ended after 2")
			want(t, found, "socket", resultOK, "")
			want(t, found, "long-poll", resultOK, "")
		})
	}
}
