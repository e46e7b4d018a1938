package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/embedded"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// logins are an observer of all sites and one of the site "site".
var logins = []Login{{User: "all", Password: "a"}, {User: "one", Password: "o", Site: "site"}}

// openWithObservers opens a broker with these logins, and returns it and the address of its
// NATS.
func openWithObservers(t *testing.T, ttl time.Duration) (*Broker, string) {
	t.Helper()
	b := open(t, Config{Listen: "127.0.0.1:0", Observers: logins, TTL: ttl})
	return b, b.ListenAddr()
}

// TestObserveBySubscribing checks that an observer that may only subscribe reports entries
// when they are renewed, and every change.
func TestObserveBySubscribing(t *testing.T) {
	t.Parallel()
	b, addr := openWithObservers(t, testTTL)
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	b.Hold(presence.Key{Site: "other", Room: "r", ClientID: "user-9", Conn: "a"}, at(1, "x"))
	waitWritten(t, b)
	site := observe(t, connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "site", TTL: testTTL})
	all := observe(t, connect(t, "nats://all:a@"+addr), bucket.Observer{TTL: testTTL})
	site.want(t, "joined user-1")
	all.wantSet(t, "joined user-1, joined user-9")
	news := observe(t, connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "site", SkipPresent: true, TTL: time.Hour})
	for i := 0; news.String() == ""; i++ { // until it reports a change
		b.Hold(page("r2", "probe", "a"), at(i%60, "x"))
		waitWritten(t, b)
		b.Leave(page("r2", "probe", "a"))
		waitWritten(t, b)
	}
	b.Hold(page("r", "user-1", "a"), at(1, "y"))
	if err := b.Put(page("r", "user-2", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	waitWritten(t, b)
	b.Leave(page("r", "user-1", "a"))
	eventually(t, "the expiry of user-2", func() bool { return site.count(presence.Left, "user-2") == 1 })
	var changes []string
	for _, c := range site.all() {
		if c.Entry.ClientID != "probe" {
			changes = append(changes, c.Kind.String()+" "+c.Entry.ClientID)
		}
	}
	if got := strings.Join(changes, ", "); got != "joined user-1, updated user-1, joined user-2, left user-1, left user-2" {
		t.Errorf("changes: %s", got)
	}
	if site.count(presence.Joined, "user-9") > 0 || news.count(presence.Joined, "user-1") > 0 {
		t.Errorf("changes of another site, or of people who were present: %s; %s", site, news)
	}
}

// TestObserversCannotWrite checks that an observer can do nothing but subscribe to the
// presence of its sites.
func TestObserversCannotWrite(t *testing.T) {
	t.Parallel()
	b, addr := openWithObservers(t, time.Hour)
	b.Subscribe(topic.Pushes, nil, func(Message) {})
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	waitWritten(t, b)
	v, _ := watch(t, b, "site")
	refused := make(chan error, 100)
	for _, login := range logins {
		nc := connect(t, "nats://"+login.User+":"+login.Password+"@"+addr,
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		tries := 0
		for _, subject := range []string{
			keySubject + k.String(), presence.SubjectPrefix + k.String(), "heartbeatd.push.site", "heartbeatd.revoke.site", NodeSubjects + "load", NodeSubjects + "a.request",
			"$JS.API.INFO", "$JS.API.STREAM.INFO.KV_presence", "$JS.API.STREAM.PURGE.KV_presence", "$JS.API.STREAM.DELETE.KV_presence",
			"$JS.API.STREAM.MSG.GET.KV_presence", "$JS.API.DIRECT.GET.KV_presence." + keySubject + k.String(),
			"$JS.API.CONSUMER.CREATE.KV_presence.c." + keySubject + "site.>", "_INBOX.x",
		} {
			tries++
			if err := nc.Publish(subject, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		for _, subject := range []string{">", "_INBOX.>", "$KV.>", "heartbeatd.>", "presence.other.>", "presence.*.r.>", "$SYS.>"} {
			if login.Site == "" && strings.HasPrefix(subject, "presence") {
				continue
			}
			tries++
			if _, err := nc.SubscribeSync(subject); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the refusals for "+login.User, func() bool { return len(refused) == tries })
		for range tries {
			<-refused
		}
	}
	if got := inRoom(v, "r"); got != "user-1" || b.Ready() != nil {
		t.Errorf("in the room: %q, and %v", got, b.Ready())
	}
	ignore := func(presence.Change) {}
	if err := bucket.Observe(t.Context(), connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "other", OnChange: ignore}); err == nil || !strings.Contains(err.Error(), "may not read presence.other.>") {
		t.Errorf("another site: %v", err)
	}
	if err := bucket.Observe(t.Context(), connect(t, "nats://one:o@"+addr), bucket.Observer{OnChange: ignore}); err == nil || !strings.Contains(err.Error(), "may not read presence.>") {
		t.Errorf("all sites: %v", err)
	}
}

// TestSubscriberReconnects cuts the observer's connection while one person joins, one leaves
// and one stays.
func TestSubscriberReconnects(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	s.opts.Users = append(embedded.Readers(logins), &server.User{Username: "node", Password: "n"})
	s.start()
	direct := "nats://node:n@" + strings.TrimPrefix(s.url(), "nats://")
	b := open(t, Config{URL: direct, TTL: testTTL})
	p := startProxy(t, s)
	d := observe(t, connect(t, "nats://one:o@"+p.addr), bucket.Observer{Site: "site", TTL: testTTL})
	b.Hold(page("r", "stays", "a"), at(1, "x"))
	b.Hold(page("r", "goes", "a"), at(1, "x"))
	d.wantSet(t, "joined stays, joined goes")
	p.cut()
	b.Leave(page("r", "goes", "a"))
	b.Hold(page("r", "comes", "a"), at(1, "x"))
	waitWritten(t, b)
	p.restore()
	eventually(t, "the missed changes", func() bool { return d.count(presence.Left, "goes") == 1 && d.count(presence.Joined, "comes") == 1 })
	if d.count(presence.Joined, "stays") != 1 || d.count(presence.Left, "stays") != 0 {
		t.Errorf("changes: %s", d)
	}
}
