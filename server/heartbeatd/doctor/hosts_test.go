package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server"
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
		"http://heartbeatd.invalid": "The host heartbeatd.invalid does not exist",
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
		want(t, found, "api", Failed, "no answer from")
		want(t, found, "ticket", Skipped, "")
		want(t, found, "clocks", Skipped, "")
	}
	d, err := newCheckup(Config{Site: gone.URL, URL: "/heartbeat", API: apiclient.Client{API: apiclient.DefaultURL}})
	if err != nil {
		t.Fatal(err)
	}
	if f := d.diagnoseAPI(t.Context(), "no answer"); f.Result != Warning || f.Name != "api-unreachable" {
		t.Errorf("without --api: %+v", f)
	}
}

// TestStopped checks what is found when heartbeatd does not run.
func TestStopped(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	address := strings.TrimPrefix(gone.URL, "http://")
	found := behind(t, &node{address, address}, nil).examine(t, nil)
	for _, check := range []string{"api", "socket", "long-poll", "events", "post"} {
		want(t, found, check, Failed, "server-down: ")
	}
}

// TestGuessableSecret checks a deployment with a short secret.
func TestGuessableSecret(t *testing.T) {
	const secret = "a short secret"
	s, err := server.New(server.Config{
		Broker: nodetest.OpenBroker(t, broker.Config{}), BasePath: "/heartbeat", Sites: []server.Site{{ID: "blog", Secrets: []string{secret}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	public, admin := nodetest.Serve(t, s)
	found := behind(t, &node{public.Listener.Addr().String(), admin.Listener.Addr().String()}, nil).examine(t, func(c *Config) { c.API.SiteSecret = secret })
	want(t, found, "api", Warning, "guessable-secret: ")
	want(t, found, "ticket", OK, "")
}

// TestWrongSecrets checks what is found with the secret or ID of another site.
func TestWrongSecrets(t *testing.T) {
	d := deploy(t, nil)
	found := d.examine(t, func(c *Config) { c.API.SiteSecret = "another secret, which is as long as it should be" })
	want(t, found, "api", Failed, "signature is invalid")
	want(t, found, "ticket", Failed, "has another secret for this site")
	want(t, found, "long-poll", OK, "that needs a valid ticket")
	want(t, found, "post", OK, "that needs a valid ticket")
	found = d.examine(t, func(c *Config) { c.API.SiteID = "shop" })
	want(t, found, "ticket", Failed, `site "shop"`)
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
	want(t, found, "socket", Failed, site.site)

	// A web server that adds headers of its own.
	doubled := behind(t, n, rewritten(func(h http.Header) { h.Add("Access-Control-Allow-Origin", "*") }))
	found = site.examine(t, elsewhere(doubled.site))
	want(t, found, "origins", Failed, "adds its own")
	answered := behind(t, n, only(func(r *http.Request) bool { return r.Method == "OPTIONS" }, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
	}))
	found = site.examine(t, elsewhere(answered.site))
	want(t, found, "origins", Failed, "answers OPTIONS itself")
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
			want(t, found, "idle", Warning, "A silent "+what+" is closed after ")
			want(t, found, "socket", OK, "")
			want(t, found, "long-poll", OK, "")
		})
	}
}
