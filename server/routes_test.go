package server

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/heartbeatd/heartbeatd/transport"
)

// TestShortcut checks that the most frequent requests do not pass the router, and are answered as
// by the router; and that the router answers the requests that are similar.
func TestShortcut(t *testing.T) {
	n := newNode(t)
	router, frequent := n.routes()
	routed := 0
	counting := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		routed++
		router.ServeHTTP(w, r)
	})
	for _, c := range []struct {
		method, path    string
		session, origin string
		routed          int
	}{
		{"POST", "/heartbeat/beat", "", "", 0},
		{"POST", "/heartbeat/beat", "unknown", "", 0},
		{"POST", "/heartbeat/beat", "unknown", "http://elsewhere.example", 0},
		{"GET", "/heartbeat/poll", "unknown", "", 0},
		{"GET", "/heartbeat/poll", "unknown", "http://elsewhere.example", 0},
		{"GET", "/heartbeat/events", "unknown", "", 0},
		{"POST", "/wp-admin/admin-ajax.php", "", "", 0},
		{"GET", "/wp-admin/admin-ajax.php", "unknown", "", 0},
		{"GET", "/heartbeat/beat", "unknown", "", 1},
		{"POST", "/heartbeat/poll", "unknown", "", 1},
		{"OPTIONS", "/heartbeat/poll", "", "", 1},
		{"HEAD", "/heartbeat/events", "unknown", "", 1},
		{"GET", "/heartbeat/events", "", "", 1},
		{"GET", "/heartbeat//poll", "unknown", "", 1},
		{"GET", "/heartbeat/poll/", "unknown", "", 1},
		{"GET", "/poll", "unknown", "", 1},
	} {
		answer := func(h http.Handler) *http.Response {
			r := httptest.NewRequest(c.method, c.path+"?after=0", http.NoBody)
			if c.session != "" {
				r.Header.Set(transport.SessionHeader, c.session)
			}
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Result()
		}
		routed = 0
		if got, want := answer(shortcut(counting, frequent)), answer(router); !reflect.DeepEqual(got, want) {
			t.Errorf("%+v: %+v, and the router %+v", c, got, want)
		}
		if routed != c.routed {
			t.Errorf("%+v: passed the router %d times", c, routed)
		}
	}
}
