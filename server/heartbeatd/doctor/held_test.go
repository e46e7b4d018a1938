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

// isPoll matches the polls that wait. The first poll of a session is answered at once.
func isPoll(r *http.Request) bool {
	return strings.HasSuffix(r.URL.Path, "/poll") && r.URL.Query().Get("after") != "0"
}

// TestFindsCache checks that a cache is found which knows answers by their path, without the query.
func TestFindsCache(t *testing.T) {
	var mu sync.Mutex
	kept := make(map[string]*httptest.ResponseRecorder)
	storing := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/poll") {
				next.ServeHTTP(w, r)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if kept[r.URL.Path] == nil {
				kept[r.URL.Path] = httptest.NewRecorder()
				next.ServeHTTP(kept[r.URL.Path], r)
			}
			w.WriteHeader(kept[r.URL.Path].Code)
			_, _ = w.Write(kept[r.URL.Path].Body.Bytes())
		})
	}
	found := deploy(t, storing).examine(t, nil)
	want(t, found, "long-poll", Failed, "answer to another page's poll")
	if name := found["long-poll"].Name; name != "cache-in-front" {
		t.Errorf("named %q", name)
	}
}

// TestFindsMergedPolls checks that a cache is found which sends one of two polls that wait at the same
// time, and answers both with what comes.
func TestFindsMergedPolls(t *testing.T) {
	var mu sync.Mutex
	waiting := make(map[string]*poll) // by session
	merging := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !isPoll(r) {
				next.ServeHTTP(w, r)
				return
			}
			mu.Lock()
			var first *poll
			for _, p := range waiting {
				first = p
			}
			if first == nil {
				first = &poll{answered: make(chan struct{}), answer: httptest.NewRecorder()}
				waiting[r.Header.Get("Heartbeat-Session")] = first
				mu.Unlock()
				next.ServeHTTP(first.answer, r)
				mu.Lock()
				delete(waiting, r.Header.Get("Heartbeat-Session"))
				mu.Unlock()
				close(first.answered)
			} else {
				mu.Unlock()
				<-first.answered
			}
			w.WriteHeader(first.answer.Code)
			_, _ = w.Write(first.answer.Body.Bytes())
		})
	}
	found := deploy(t, merging).examine(t, nil)
	want(t, found, "cache", Failed, "cache-in-front: ")
	want(t, found, "long-poll", OK, "")
}

// TestSlowPolls checks that a web server which holds answers to polls back is not taken for a cache, when the
// check of long-poll has not found it.
func TestSlowPolls(t *testing.T) {
	for _, c := range []struct {
		late, by time.Duration
		text     string
	}{
		{2 * time.Second, 2500 * time.Millisecond, "A change reaches a waiting poll "},
		{100 * time.Millisecond, time.Hour, "A change does not reach a waiting poll within 200ms"},
	} {
		late := deploy(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if isPoll(r) {
					select {
					case <-time.After(c.by):
					case <-r.Context().Done():
					}
				}
			})
		})
		d, err := newCheckup(Config{Site: late.site, URL: "/heartbeat", API: apiclient.Client{SiteID: "blog", SiteSecret: testSecret}, late: c.late})
		if err != nil {
			t.Fatal(err)
		}
		d.pollWorks = true
		if f := d.checkCache(t.Context()); f.Name != "streams-held-back" || !strings.Contains(f.Text, c.text) {
			t.Errorf("held back by %s: %s", c.by, f)
		}
		d.http.CloseIdleConnections()
	}
}

// TestCacheHit checks which headers name a cache.
func TestCacheHit(t *testing.T) {
	for value, want := range map[string]bool{
		"HIT": true, "Hit from cloudfront": true, "TCP_HIT from a1 (AkamaiGHost)": true, "MISS, HIT": true, "hit": true,
		"MISS": false, "MISS from architect": false, "MISS from white.example": false, "": false,
	} {
		if got := cacheHit(http.Header{"X-Cache": {value}}); (got != "") != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

// poll is a poll that a cache has sent.
type poll struct {
	answered chan struct{}
	answer   *httptest.ResponseRecorder
}

// TestFindsBuffering checks that a web server which delays answers is found.
func TestFindsBuffering(t *testing.T) {
	held := func(d time.Duration) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r)
				if isPoll(r) {
					select {
					case <-time.After(d):
					case <-r.Context().Done():
					}
				}
			})
		}
	}
	found := deploy(t, held(600*time.Millisecond)).examine(t, func(c *Config) { c.late = 500 * time.Millisecond })
	want(t, found, "long-poll", Warning, "late")
	found = deploy(t, held(time.Minute)).examine(t, func(c *Config) { c.timeout = 2 * time.Second })
	want(t, found, "long-poll", Warning, "proxy_buffering off")
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

// TestFindsHeldStreams checks that a web server which buffers event streams is found. It is no failure:
// pages have a WebSocket, or long-poll.
func TestFindsHeldStreams(t *testing.T) {
	quick := func(c *Config) { c.patience = 50 * time.Millisecond } // nothing of the stream comes, however long it takes
	found := deploy(t, holding).examine(t, quick)
	want(t, found, "events", Warning, "holds event streams and answers back. Nothing of a stream arrives within 50ms")
	want(t, found, "events", Warning, "`proxy_buffering off`")
	if failed := failures(found); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	found = deploy(t, holding).examine(t, func(c *Config) { quick(c); c.API.SiteSecret = "" })
	want(t, found, "events", Warning, "within 50ms")
	found = deploy(t, func(next http.Handler) http.Handler {
		return changes(func(r *http.Request) { r.Header.Del("Upgrade"); r.Header.Del("Connection") })(holding(next))
	}).examine(t, quick)
	want(t, found, "events", Warning, "within 50ms")
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
	found := deploy(t, held(700*time.Millisecond)).examine(t, func(c *Config) { c.late = 500 * time.Millisecond })
	want(t, found, "events", Warning, "s late")
	found = deploy(t, held(time.Minute)).examine(t, func(c *Config) { c.timeout = 2 * time.Second })
	want(t, found, "events", Warning, "A change does not arrive within 2s")
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
