package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// logins are an observer of all sites and one of "site", on any kind of NATS.
var logins = []Login{{User: "all", Password: "a"}, {User: "one", Password: "o", Site: "site"}}

// guarded is a node whose NATS lets only observers in, and its address.
func guarded(t *testing.T, ttl time.Duration) (*Broker, string) {
	t.Helper()
	b := open(t, Config{Listen: "127.0.0.1:0", Observers: logins, TTL: ttl})
	return b, b.ListenAddr()
}

// An observer that may only subscribe hears of who is there as they are
// renewed, and of everything that happens.
func TestObserveBySubscribing(t *testing.T) {
	t.Parallel()
	b, addr := guarded(t, testTTL)
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	b.Hold(presence.Key{Site: "other", Room: "r", ClientID: "user-9", Conn: "a"}, at(1, "x"))
	settled(t, b)
	site := observe(t, connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "site", TTL: testTTL})
	all := observe(t, connect(t, "nats://all:a@"+addr), bucket.Observer{TTL: testTTL})
	site.want(t, "joined user-1")
	all.wantSet(t, "joined user-1, joined user-9")
	news := observe(t, connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "site", SkipPresent: true, TTL: time.Hour})
	for i := 0; news.String() == ""; i++ { // until it hears news
		b.Hold(page("r2", "probe", "a"), at(i%60, "x"))
		settled(t, b)
		b.Leave(page("r2", "probe", "a"))
		settled(t, b)
	}
	b.Hold(page("r", "user-1", "a"), at(1, "y"))
	if err := b.Put(page("r", "user-2", "poll"), at(1, "x")); err != nil {
		t.Fatal(err)
	}
	settled(t, b)
	b.Leave(page("r", "user-1", "a"))
	eventually(t, "user-2 expires", func() bool { return site.heard(presence.Left, "user-2") == 1 })
	var of []string
	for _, c := range site.all() {
		if c.Entry.ClientID != "probe" {
			of = append(of, c.Kind.String()+" "+c.Entry.ClientID)
		}
	}
	if got := strings.Join(of, ", "); got != "joined user-1, updated user-1, joined user-2, left user-1, left user-2" {
		t.Error(got)
	}
	if site.heard(presence.Joined, "user-9") > 0 || news.heard(presence.Joined, "user-1") > 0 {
		t.Errorf("told of another site or of who was there: %s; %s", site, news)
	}
}

// What an observer subscribes to is all that it can do, whatever it tries.
func TestObserversCannotWrite(t *testing.T) {
	t.Parallel()
	b, addr := guarded(t, time.Hour)
	b.Subscribe(Pushes, nil, func(Message) {})
	k := page("r", "user-1", "a")
	b.Hold(k, at(1, "x"))
	settled(t, b)
	v, _ := watch(t, b, "site")
	refused := make(chan error, 100)
	for _, login := range logins {
		nc := connect(t, "nats://"+login.User+":"+login.Password+"@"+addr,
			nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		tries := 0
		for _, subject := range []string{
			kvSubject + k.String(), presence.SubjectPrefix + k.String(), "heartbeatd.push.site", "heartbeatd.revoke.site",
			"$JS.API.INFO", "$JS.API.STREAM.INFO.KV_presence", "$JS.API.STREAM.PURGE.KV_presence", "$JS.API.STREAM.DELETE.KV_presence",
			"$JS.API.STREAM.MSG.GET.KV_presence", "$JS.API.DIRECT.GET.KV_presence." + kvSubject + k.String(),
			"$JS.API.CONSUMER.CREATE.KV_presence.c." + kvSubject + "site.>", "_INBOX.x",
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
		eventually(t, login.User+" is refused each time", func() bool { return len(refused) == tries })
		for range tries {
			<-refused
		}
	}
	if got := inRoom(v, "r"); got != "user-1" || b.Ready() != nil {
		t.Errorf("in the room: %q, and %v", got, b.Ready())
	}
	if err := bucket.Observe(t.Context(), connect(t, "nats://one:o@"+addr), bucket.Observer{Site: "other"}); err == nil || !strings.Contains(err.Error(), "may not read presence.other.>") {
		t.Errorf("another site: %v", err)
	}
	if err := bucket.Observe(t.Context(), connect(t, "nats://one:o@"+addr), bucket.Observer{}); err == nil || !strings.Contains(err.Error(), "may not read presence.>") {
		t.Errorf("all sites: %v", err)
	}
}

// While the observer's connection was cut somebody came, somebody left and
// somebody stayed.
func TestListenerWasAway(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	s.opts.Users = append(readers(logins), &server.User{Username: "node", Password: "n"})
	s.start()
	direct := "nats://node:n@" + strings.TrimPrefix(s.url(), "nats://")
	b := open(t, Config{URL: direct, TTL: testTTL})
	way := startProxy(t, s)
	d := observe(t, connect(t, "nats://one:o@"+way.addr), bucket.Observer{Site: "site", TTL: testTTL})
	b.Hold(page("r", "stays", "a"), at(1, "x"))
	b.Hold(page("r", "goes", "a"), at(1, "x"))
	d.wantSet(t, "joined stays, joined goes")
	way.cut()
	b.Leave(page("r", "goes", "a"))
	b.Hold(page("r", "comes", "a"), at(1, "x"))
	settled(t, b)
	way.mend()
	eventually(t, "it has made up for that", func() bool { return d.heard(presence.Left, "goes") == 1 && d.heard(presence.Joined, "comes") == 1 })
	if d.heard(presence.Joined, "stays") != 1 || d.heard(presence.Left, "stays") != 0 {
		t.Errorf("who stayed: %s", d)
	}
}
