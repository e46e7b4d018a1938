package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// syncCall is the body of a call to WordPress.
type syncCall struct {
	Entries []struct {
		presence.Entry
		BeatGMT string `json:"beat_gmt"`
	}
	Left []leftRow
}

type leftRow struct {
	Room     string
	ClientID string `json:"client_id"`
	UserID   int64  `json:"user_id"`
	Age      int64
}

// table is a WordPress with the Presence API plugin.
type table struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	calls  []syncCall
	times  []time.Time
	rows   []presence.Entry // written by PHP
	fault  string           // what was wrong with a call
}

func newTable(t *testing.T, secret string) *table {
	w := &table{secret: secret}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

func (w *table) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	claims := new(jwt.RegisteredClaims)
	token, err := jwt.ParseWithClaims(key, claims, func(*jwt.Token) (any, error) { return []byte(w.secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience("site"), jwt.WithExpirationRequired())
	var call syncCall
	d := json.NewDecoder(http.MaxBytesReader(out, r.Body, 1<<20))
	switch {
	case err != nil || token.Header["kid"] != demoSite || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > time.Minute:
		w.fault = fmt.Sprintf("the key %v: %v", token, err)
	case r.Method != "POST" || r.URL.String() != "/wp-json/heartbeatd/v1/presence/sync" || r.Header.Get("Content-Type") != "application/json":
		w.fault = fmt.Sprint(r.Method, r.URL, r.Header)
	}
	if err := d.Decode(&call); err != nil {
		w.fault = err.Error()
	}
	w.calls, w.times = append(w.calls, call), append(w.times, time.Now())
	_ = json.NewEncoder(out).Encode(map[string]any{"entries": append([]presence.Entry{}, w.rows...)})
}

// write sets PHP's rows.
func (w *table) write(rows ...presence.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = rows
}

// saw waits until the last call matches.
func (w *table) saw(t *testing.T, what string, match func(syncCall) bool) {
	t.Helper()
	until(t, what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault != "" {
			t.Fatal(w.fault)
		}
		return len(w.calls) > 0 && match(w.calls[len(w.calls)-1])
	})
}

func (w *table) sync() string { return w.URL + "/wp-json/heartbeatd/v1/presence/sync" }

// syncing starts a node that synchronizes at this interval.
func syncing(t *testing.T, on broker.Config, every time.Duration) *node {
	t.Helper()
	on.TTL = time.Minute
	n := newNodeOn(t, on, func(c *Config) { c.syncEvery = every })
	n.sites.configured[demoSite].now().SyncAnywhere = true // is read when a ticket has named the URL
	return n
}

func (r syncCall) entry(room, id string) *presence.Entry {
	for _, e := range r.Entries {
		if e.Room == room && e.ClientID == id {
			return &e.Entry
		}
	}
	return nil
}

// TestSync checks that the table follows the rooms, and the rooms the table.
func TestSync(t *testing.T) {
	n := syncing(t, broker.Config{}, 200*time.Millisecond)
	w := newTable(t, n.demo.Secret())
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	n.broker.Hold(entryKey(wordpress.AdminRoom, 9), presence.Stored{Entry: presence.Entry{UserID: 9, DateGMT: "2026-11-23 05:20:00"}})
	w.saw(t, "the present entries", func(r syncCall) bool {
		ed, old := r.entry(wordpress.AdminRoom, "user-2"), r.entry(wordpress.AdminRoom, "user-9")
		if ed == nil || old == nil {
			return false
		}
		if ed.UserID != 2 || string(ed.Data) != `{"screen":"dashboard","screen_label":"Dashboard"}` {
			t.Errorf("sent %+v %s", ed, ed.Data)
		}
		age := time.Since(must(time.Parse(wordpress.DateLayout, old.DateGMT)))
		if age < 31*time.Second || age > 35*time.Second {
			t.Errorf("the date of an unfocused tab is %v old, want 31 s to 35 s", age)
		}
		return true
	})

	row := presence.Entry{Room: "theirs", ClientID: "cli-1", UserID: 1, DisplayName: "Ada", Data: json.RawMessage(`{"from":"php"}`), DateGMT: time.Now().UTC().Format(wordpress.DateLayout)}
	alias := presence.Entry{Room: wordpress.AdminRoom, ClientID: "user-2", UserID: 2, DateGMT: "2099-01-01 00:00:00"}
	w.write(row, alias, presence.Entry{Room: strings.Repeat("x", 192), ClientID: "c", UserID: 1, DateGMT: row.DateGMT})
	until(t, "PHP's row in the room", func() bool {
		a := n.presence(t, "GET", "room=theirs", "")
		return len(a.entries) == 1 && a.entries[0].DisplayName == "Ada" && string(a.entries[0].Data) == `{"from":"php"}`
	})
	w.saw(t, "a later call", func(r syncCall) bool {
		if r.entry("theirs", "cli-1") != nil {
			t.Error("a call has PHP's own row")
		}
		return len(w.calls) > 2
	})
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 3 || strings.Contains(a.text, "2099") {
		t.Errorf("entries after PHP's rows: %s", a.text)
	}

	s.send(`{"type":"leave"}`)
	other := n.page(t, 1).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	other.socket(t)
	w.write()
	w.saw(t, "the leave", func(r syncCall) bool {
		return slices.Contains(r.Left, leftRow{Room: wordpress.AdminRoom, ClientID: "user-2", UserID: 2})
	})
	until(t, "the end of the row that PHP has deleted", func() bool { return len(n.presence(t, "GET", "room=theirs", "").entries) == 0 })
	calls := 0
	w.saw(t, "calls without a leave", func(r syncCall) bool {
		if len(r.Left) == 0 {
			calls = cmp.Or(calls, len(w.calls))
		}
		return calls > 0 && len(w.calls) > calls+2
	})
	for _, r := range w.calls {
		if slices.ContainsFunc(r.Left, func(l leftRow) bool { return l.Room == "theirs" }) {
			t.Error("a row that PHP had deleted was reported as left")
		}
	}
}

// TestSyncAfterOutdatedAddress checks that a ticket with an outdated address does not keep heartbeatd
// from the right one, and that a site which has answered stays where it is.
func TestSyncAfterOutdatedAddress(t *testing.T) {
	n := syncing(t, broker.Config{}, 100*time.Millisecond)
	var failed atomic.Bool
	outdated := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failed.Store(true)
		http.NotFound(w, r)
	}))
	defer outdated.Close()
	w := newTable(t, n.demo.Secret())
	open := func(url string) {
		n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = url }).socket(t)
	}
	open(outdated.URL + "/wp-json/heartbeatd/v1/presence/sync")
	until(t, "a failed call", failed.Load)
	open(w.sync())
	w.saw(t, "a call", func(syncCall) bool { return true })
	until(t, "another address is refused", func() bool { return n.sites.get(demoSite).checkSyncURL(outdated.URL) != nil })
}

// TestSyncOfClosedPages checks that the row of a page whose connection is lost is no longer
// renewed, and that it is reported with the time since then.
func TestSyncOfClosedPages(t *testing.T) {
	n := newNodeOn(t, broker.Config{TTL: time.Minute}, func(c *Config) { c.syncEvery, c.grace = 100*time.Millisecond, 2500*time.Millisecond })
	n.sites.configured[demoSite].now().SyncAnywhere = true
	w := newTable(t, n.demo.Secret())
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	n.page(t, 1).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() }).socket(t) // the site has a page
	isSent := func(r syncCall) bool { return r.entry(wordpress.AdminRoom, "user-2") != nil }
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	w.saw(t, "the entry", isSent)
	_ = s.conn.CloseNow()
	w.saw(t, "a call without the entry", func(r syncCall) bool { return !isSent(r) && len(r.Left) == 0 })
	s = p.socket(t)
	w.saw(t, "the entry of the page that is back", isSent)
	_ = s.conn.CloseNow()
	w.saw(t, "the leave", func(r syncCall) bool {
		return slices.ContainsFunc(r.Left, func(l leftRow) bool { return l.ClientID == "user-2" && l.UserID == 2 && l.Age >= 2 })
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestSyncByOneNode checks that one of two nodes makes the call of each interval.
func TestSyncByOneNode(t *testing.T) {
	const every = 400 * time.Millisecond
	a := syncing(t, broker.Config{Listen: "127.0.0.1:0"}, every)
	b := syncing(t, broker.Config{URL: "nats://" + a.broker.ListenAddr()}, every)
	w := newTable(t, a.demo.Secret())
	for _, n := range []*node{a, b} {
		n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() }).socket(t)
	}
	w.saw(t, "six calls", func(syncCall) bool { return len(w.calls) >= 6 })
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 1; i < len(w.times); i++ {
		if apart := w.times[i].Sub(w.times[i-1]); apart < every*9/10 {
			t.Errorf("%v between two calls, want at least %v", apart, every*9/10)
		}
	}
}

// TestSyncEndsWithLastPage checks that a site without pages is not called.
func TestSyncEndsWithLastPage(t *testing.T) {
	n := syncing(t, broker.Config{}, 200*time.Millisecond)
	w := newTable(t, n.demo.Secret())
	p := n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s := p.socket(t)
	w.saw(t, "a call", func(syncCall) bool { return true })
	s.send(`{"type":"leave"}`)
	until(t, "the end of the site's synchronization", func() bool {
		for id := range syncNode(n.broker, n.sites, n.tickets.Now, newWaker(), n.log).Sites {
			if id == demoSite {
				return false
			}
		}
		return true
	})
}

// TestSyncAfterReport checks that the table is synchronized at once when PHP reports that it has
// changed rows.
func TestSyncAfterReport(t *testing.T) {
	n := syncing(t, broker.Config{}, time.Hour)
	w := newTable(t, n.demo.Secret())
	n.page(t, 2).withClaims(t, func(c *ticket.Claims) { c.Sync = w.sync() }).socket(t)
	row := presence.Entry{Room: wordpress.AdminRoom, ClientID: "cli-1", UserID: 1, Data: json.RawMessage(`{}`), DateGMT: wordpress.Date(time.Now())}
	w.write(row)
	st := n.sites.get(demoSite)
	until(t, "the row in the room", func() bool {
		st.changes.Take(message.Message{Rooms: []message.RoomState{{Room: wordpress.AdminRoom}}}, time.Now(), func(rooms []string) { n.replay.pushRooms(st, rooms) })
		return len(n.presence(t, "GET", "room=admin/online", "").entries) == 1
	})
	w.write()
	n.replay.pushRooms(st, []string{wordpress.AdminRoom}) // within the second after the last call
	until(t, "the end of the row", func() bool { return len(n.presence(t, "GET", "room=admin/online", "").entries) == 0 })
}

// TestSyncURLs checks that only hosts of the site are called, if they are known.
func TestSyncURLs(t *testing.T) {
	for _, c := range []struct {
		site Site
		to   string
		ok   bool
	}{
		{Site{SyncAnywhere: true}, "https://example.org/?rest_route=/heartbeatd/v1/presence/sync", true},
		{Site{SyncAnywhere: true}, "http://127.0.0.1:8000/wp-json/", true},
		{Site{SyncAnywhere: true}, "ftp://example.org/", false},
		{Site{SyncAnywhere: true}, "//example.org/", false},
		{Site{SyncAnywhere: true}, "https://somebody:secret@example.org/", false},
		{Site{SyncAnywhere: true}, "https:///wp-json/", false},
		{Site{SyncAnywhere: true}, "https://example.org:x/", false},
		{Site{}, "https://example.org/wp-json/", false},
		{Site{Origins: []string{"https://example.org"}}, "https://example.org/wp-json/", true},
		{Site{Origins: []string{"https://Example.org:443/blog"}}, "https://example.org./?rest_route=/wp-json/", true},
		{Site{Origins: []string{"https://example.org"}}, "https://example.org:8443/wp-json/", false},
		{Site{Origins: []string{"https://example.org"}}, "http://example.org/wp-json/", false},
		{Site{Origins: []string{"https://example.org"}}, "https://example.org.evil.test/wp-json/", false},
		{Site{Upstream: "http://127.0.0.1:8000"}, "http://127.0.0.1:8000/wp-json/", true},
		{Site{Upstream: "http://127.0.0.1:8000"}, "http://127.0.0.1:8001/wp-json/", false},
	} {
		t.Run(fmt.Sprintf("%+v to %s", c.site, c.to), func(t *testing.T) {
			c.site.ID, c.site.Secrets = "site", []string{"x"}
			l, err := newSites([]Site{c.site}, nil, limit.New(nil, nil), slog.New(slog.DiscardHandler), nil)
			if err != nil {
				t.Fatal(err)
			}
			st := l.first("site")
			if err := st.checkSyncURL(c.to); (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
}
