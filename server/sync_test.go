package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// table is a WordPress with the Presence API plugin, as far as heartbeatd's
// calls see it.
type table struct {
	*httptest.Server
	mu     sync.Mutex
	secret string
	calls  []syncRequest
	times  []time.Time
	rows   []broker.Entry // written by PHP
	fault  string         // why a call was not as it must be
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
	var call syncRequest
	d := json.NewDecoder(http.MaxBytesReader(out, r.Body, maxSyncBody))
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
	_ = json.NewEncoder(out).Encode(map[string]any{"entries": append([]broker.Entry{}, w.rows...)})
}

// write has PHP write a row, or with no name take all away.
func (w *table) write(rows ...broker.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows = rows
}

// saw waits for a call that is as it must be.
func (w *table) saw(t *testing.T, what string, match func(syncRequest) bool) {
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

// syncing is a node that calls often, and no more often than NATS's leases allow.
func syncing(t *testing.T, on broker.Config, every time.Duration) *node {
	t.Helper()
	on.TTL = time.Minute
	n := newNodeOn(t, on, func(c *Config) { c.syncEvery = every })
	n.sites[demoSite].SyncAnywhere = true // read when a ticket has said where
	return n
}

func (r syncRequest) entry(room, id string) *syncEntry {
	for _, e := range r.Entries {
		if e.Room == room && e.ClientID == id {
			return &e
		}
	}
	return nil
}

// TestSyncBringsAndTakes has a table follow the rooms, and the rooms the table.
func TestSyncBringsAndTakes(t *testing.T) {
	n := syncing(t, broker.Config{}, 200*time.Millisecond)
	w := newTable(t, n.demo.Secret())
	p := n.page(t, 2).retell(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s := p.socket(t)
	s.beat(1, p.pinging("dashboard"))
	n.broker.Hold(entryKey(wordpress.AdminRoom, 9), broker.Stored{Entry: broker.Entry{UserID: 9, DateGMT: "2026-11-23 05:20:00"}})
	w.saw(t, "who is there", func(r syncRequest) bool {
		ed, old := r.entry(wordpress.AdminRoom, "user-2"), r.entry(wordpress.AdminRoom, "user-9")
		if ed == nil || old == nil {
			return false
		}
		if ed.UserID != 2 || string(ed.Data) != `{"screen":"dashboard","screen_label":"Dashboard"}` {
			t.Errorf("sent %+v %s", ed, ed.Data)
		}
		age := time.Since(must(time.Parse(wordpress.DateLayout, old.DateGMT)))
		if age < 31*time.Second || age > 35*time.Second {
			t.Errorf("an unfocused tab of long ago is called %v old", age)
		}
		return true
	})

	row := broker.Entry{Room: "theirs", ClientID: "cli-1", UserID: 1, DisplayName: "Ada", Data: json.RawMessage(`{"from":"php"}`), DateGMT: time.Now().UTC().Format(wordpress.DateLayout)}
	alias := broker.Entry{Room: wordpress.AdminRoom, ClientID: "user-2", UserID: 2, DateGMT: "2099-01-01 00:00:00"}
	w.write(row, alias, broker.Entry{Room: strings.Repeat("x", 192), ClientID: "c", UserID: 1, DateGMT: row.DateGMT})
	until(t, "what PHP wrote is in the room", func() bool {
		a := n.presence(t, "GET", "room=theirs", "")
		return len(a.entries) == 1 && a.entries[0].DisplayName == "Ada" && string(a.entries[0].Data) == `{"from":"php"}`
	})
	w.saw(t, "a call after that", func(r syncRequest) bool {
		if r.entry("theirs", "cli-1") != nil {
			t.Error("PHP is told of its own row")
		}
		return len(w.calls) > 2
	})
	if a := n.presence(t, "GET", "", ""); len(a.entries) != 3 || strings.Contains(a.text, "2099") {
		t.Errorf("taken back: %s", a.text)
	}

	s.send(`{"type":"leave"}`)
	other := n.page(t, 1).retell(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	other.socket(t)
	w.write()
	w.saw(t, "who left", func(r syncRequest) bool {
		return slices.ContainsFunc(r.Left, func(l leaving) bool { return l.Room == wordpress.AdminRoom && l.ClientID == "user-2" })
	})
	until(t, "what PHP no longer has is gone", func() bool { return len(n.presence(t, "GET", "room=theirs", "").entries) == 0 })
	w.saw(t, "that once", func(r syncRequest) bool { return len(r.Left) == 0 })
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestSyncIsOneNodes has two nodes on one NATS make one call in each period.
func TestSyncIsOneNodes(t *testing.T) {
	const every = 400 * time.Millisecond
	a := syncing(t, broker.Config{Listen: "127.0.0.1:0"}, every)
	b := syncing(t, broker.Config{URL: "nats://" + a.broker.ListenAddr()}, every)
	w := newTable(t, a.demo.Secret())
	for _, n := range []*node{a, b} {
		n.page(t, 2).retell(t, func(c *ticket.Claims) { c.Sync = w.sync() }).socket(t)
	}
	w.saw(t, "six calls", func(syncRequest) bool { return len(w.calls) >= 6 })
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 1; i < len(w.times); i++ {
		if apart := w.times[i].Sub(w.times[i-1]); apart < every*9/10 {
			t.Errorf("calls %v apart", apart)
		}
	}
}

// TestSyncOnlyForWhomItIs calls nobody without a session whose ticket says so.
func TestSyncOnlyForWhomItIs(t *testing.T) {
	n := syncing(t, broker.Config{}, 200*time.Millisecond)
	st := n.sites[demoSite]
	w := newTable(t, n.demo.Secret())
	p := n.page(t, 2).retell(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s := p.socket(t)
	w.saw(t, "a call", func(syncRequest) bool { return true })
	p.retell(t, func(c *ticket.Claims) { c.Sync = "" })
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket))
	s.beat(1, p.form())
	if to, due := st.syncs.begin(time.Now().Add(time.Hour), time.Second); due {
		t.Errorf("after a ticket without it, %s would be called", to)
	}
	p.retell(t, func(c *ticket.Claims) { c.Sync = w.sync() })
	s.send(fmt.Sprintf(`{"type":"ticket","ticket":%q}`, p.ticket))
	s.beat(2, p.form())
	s.send(`{"type":"leave"}`)
	until(t, "nobody is there", func() bool { return st.rooms.Len() == 0 })
}

// TestSyncAddresses calls only what is known to be the site, where that is known.
func TestSyncAddresses(t *testing.T) {
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
		{Site{Origins: []string{"https://example.org"}}, "https://example.org.evil.test/wp-json/", false},
		{Site{Upstream: "http://127.0.0.1:8000"}, "http://127.0.0.1:8000/wp-json/", true},
		{Site{Upstream: "http://127.0.0.1:8000"}, "http://127.0.0.1:8001/wp-json/", false},
	} {
		st, err := newSite(c.site, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.maySync(c.to); (err == nil) != c.ok {
			t.Errorf("%+v to %s: %v", c.site, c.to, err)
		}
	}
}

// TestSyncRests asks a site that fails less and less often.
func TestSyncRests(t *testing.T) {
	var y syncs
	y.tell(&ticket.Claims{Sync: "x", RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(time.Now())}})
	failed := errors.New("down")
	for i, rest := range []time.Duration{20, 20, 40, 80, 160, 320, 600, 600} {
		rest *= time.Second
		if _, due := y.begin(y.next, syncEvery); !due {
			t.Fatalf("failure %d: not due when it is due", i)
		}
		if _, due := y.begin(y.next, syncEvery); due {
			t.Fatal("twice at a time")
		}
		y.end(true, failed, syncEvery)
		if wait := time.Until(y.next); wait > rest || wait < rest-time.Second {
			t.Errorf("after %d failures it rests %v, want %v", i+1, wait, rest)
		}
	}
	y.begin(y.next, syncEvery)
	if y.end(true, nil, syncEvery); time.Until(y.next) > syncEvery || y.failures != 0 {
		t.Error("after a success it still rests")
	}
}

// TestSyncAnswersRefused takes nothing from what is not the answer.
func TestSyncAnswersRefused(t *testing.T) {
	n := newNode(t)
	y := newSyncer(n.Server, time.Hour)
	defer y.client.CloseIdleConnections()
	for name, answer := range map[string]http.HandlerFunc{
		"401":                 func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) },
		"WordPress answers 3": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"entries":             func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("0")) },
		"more than":           func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, maxSyncBody+1)) },
	} {
		asked := 0
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			answer(w, r)
		}))
		if _, err := y.ask(t.Context(), n.sites[demoSite], site.URL, []byte("{}")); err == nil || !strings.Contains(err.Error(), name) || asked != 1 {
			t.Errorf("%s: %v, asked %d times", name, err, asked)
		}
		site.Close()
	}
}

// TestSyncIsBounded cuts what is too much for a call.
func TestSyncIsBounded(t *testing.T) {
	var entries []broker.Entry
	ours := make(map[seat]bool)
	add := func(data string) {
		e := broker.Entry{Room: "r", ClientID: fmt.Sprint(len(entries)), Data: json.RawMessage(data)}
		entries = append(entries, e)
		ours[seat{e.Room, e.ClientID}] = true
	}
	for range maxSync + 10 {
		add("{}")
	}
	parse := func(body []byte) (r syncRequest) {
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	left := []leaving{{Room: "r", ClientID: "gone"}}
	body, sent := syncBody(entries, ours, left, time.Now())
	if r := parse(body); len(r.Entries) != maxSync || len(r.Left) != 1 || sent != 1 {
		t.Errorf("%d entries and %d who left, %d said", len(r.Entries), len(r.Left), sent)
	}
	entries, ours = nil, map[seat]bool{}
	for range 200 {
		add(`{"x":"` + strings.Repeat("<", 2000) + `"}`)
	}
	body, _ = syncBody(entries, ours, left, time.Now())
	if r := parse(body); len(body) > maxSyncBody || len(r.Entries) < 80 || len(r.Entries) == 200 {
		t.Errorf("%d entries in %d bytes", len(r.Entries), len(body))
	}
	y := syncs{url: "x"}
	for i := range maxSync + 10 {
		y.change(broker.Change{Kind: broker.Left, Entry: broker.Entry{ClientID: fmt.Sprint(i)}})
	}
	if len(y.left) != maxSync {
		t.Errorf("%d who left are remembered", len(y.left))
	}
	y.change(broker.Change{Kind: broker.Joined, Entry: broker.Entry{ClientID: "0"}})
	if y.begin(time.Now(), syncEvery); len(y.left) != maxSync-1 {
		t.Errorf("who came back is still said to have left: %d", len(y.left))
	}
	if y.begin(time.Now().Add(4*syncEvery), syncEvery); len(y.left) != 0 {
		t.Errorf("what another node has told is told again: %d", len(y.left))
	}
}
