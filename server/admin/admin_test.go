package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestProfiles asks for profiles as the operator, and as others. Without a key nobody is the operator: a web
// server on this machine may pass on the requests of others without saying so.
func TestProfiles(t *testing.T) {
	const here, elsewhere = "127.0.0.1:5000", "192.0.2.7:5000"
	bearer := func(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }
	for _, c := range []struct {
		key, path, host, peer string
		header                http.Header
		want                  int
	}{
		{"", "goroutine?debug=1", "127.0.0.1:8081", here, nil, 403},
		{"", "goroutine?debug=1", "127.0.0.1:8081", here, bearer(""), 403},
		{"", "symbol", "127.0.0.1:8081", here, nil, 403},
		{"", "goroutine?debug=1", "evil.example:8081", elsewhere, nil, 403},
		{"the key", "trace?seconds=301", "127.0.0.1:8081", here, bearer("the key"), 400},
		{"the key", "profile?seconds=86400", "127.0.0.1:8081", here, bearer("the key"), 400},
		{"the key", "goroutine?seconds=301", "127.0.0.1:8081", here, bearer("the key"), 400},
		{"the key", "goroutine?debug=1", "127.0.0.1:8081", here, nil, 401},
		{"the key", "goroutine?debug=1", "127.0.0.1:8081", here, bearer("a key"), 401},
		{"the key", "goroutine?debug=1", "console.example.org", elsewhere, bearer("the key"), 200},
		{"the key", "profile?seconds=1", "127.0.0.1:8081", here, bearer("the key"), 200},
		{"the key", "cmdline", "127.0.0.1:8081", here, bearer("the key"), 404},
	} {
		n := Node{Keys: func() *Keys { return &Keys{API: c.key} }, Metrics: prometheus.NewRegistry()}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "GET", "/debug/pprof/"+c.path, nil)
		r.Host, r.RemoteAddr = c.host, c.peer
		for name, values := range c.header {
			r.Header[name] = values
		}
		w := httptest.NewRecorder()
		New(n).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d %.300q", c, w.Code, w.Body.String())
		}
		if c.want == 200 && w.Body.Len() == 0 || strings.HasPrefix(c.path, "goroutine") && c.want == 200 && !strings.Contains(w.Body.String(), "TestProfiles") {
			t.Errorf("%+v: %.300s", c, w.Body)
		}
	}
}

// TestMetricsKeys asks for the metrics with each key.
func TestMetricsKeys(t *testing.T) {
	n := Node{Keys: func() *Keys { return &Keys{API: "of the API", Metrics: "of the metrics"} }, Metrics: prometheus.NewRegistry()}
	for key, want := range map[string]int{"of the API": 200, "of the metrics": 200, "": 401, "another": 401} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		New(n).ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d, want %d", key, w.Code, want)
		}
	}
}

// TestOverview asks for the sites and the nodes: of the demo site without a key from this machine only.
func TestOverview(t *testing.T) {
	for _, c := range []struct {
		demo              bool
		key, given        string
		host, peer, proxy string
		want              int
	}{
		{true, "", "", "127.0.0.1:8081", "127.0.0.1:5000", "", 200},
		{true, "", "Bearer another", "127.0.0.1:8081", "127.0.0.1:5000", "", 401},
		{true, "", "", "evil.example", "127.0.0.1:5000", "", 401},
		{true, "", "", "127.0.0.1:8081", "192.0.2.7:5000", "", 401},
		{true, "", "", "127.0.0.1:8081", "127.0.0.1:5000", "192.0.2.7", 401},
		{true, "the key", "", "127.0.0.1:8081", "127.0.0.1:5000", "", 401},
		{false, "", "", "127.0.0.1:8081", "127.0.0.1:5000", "", 401},
		{false, "", "Bearer ", "127.0.0.1:8081", "127.0.0.1:5000", "", 401},
		{false, "the key", "Bearer the key", "example.org", "192.0.2.7:5000", "", 200},
	} {
		n := Node{Keys: func() *Keys { return &Keys{API: c.key} }, Metrics: prometheus.NewRegistry(), Demo: c.demo, Overview: func() Overview {
			return Overview{Sites: make([]Site, maxSites+1)}
		}}
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/node", nil)
		r.Host, r.RemoteAddr = c.host, c.peer
		for name, value := range map[string]string{"Authorization": c.given, "X-Forwarded-For": c.proxy} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		New(n).ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
		if w.Code == 200 && strings.Count(w.Body.String(), `"id"`) != maxSites {
			t.Errorf("%.200s", w.Body)
		}
	}
}

// TestSitesAreSorted checks that sites with as many sessions have the same order each time.
func TestSitesAreSorted(t *testing.T) {
	n := Node{Keys: func() *Keys { return &Keys{API: "key"} }, Metrics: prometheus.NewRegistry(), Overview: func() Overview {
		return Overview{Sites: []Site{{"c", 1}, {"b", 1}, {"d", 2}, {"a", 1}}}
	}}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/node", nil)
	r.Header.Set("Authorization", "Bearer key")
	w := httptest.NewRecorder()
	New(n).ServeHTTP(w, r)
	var o Overview
	if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil || !slices.Equal(o.Sites, []Site{{"d", 2}, {"a", 1}, {"b", 1}, {"c", 1}}) {
		t.Errorf("%v, %v", o.Sites, err)
	}
}
