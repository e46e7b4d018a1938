package broker

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// observe runs an observer until the test ends.
func observe(t *testing.T, conn *nats.Conn, o bucket.Observer) *changeRecorder {
	t.Helper()
	d := &changeRecorder{}
	o.OnChange = d.add
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- bucket.Observe(ctx, conn, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Observe returned %v", err)
		}
	})
	return d
}

func TestObserveWithoutOnChange(t *testing.T) {
	if err := bucket.Observe(t.Context(), nil, bucket.Observer{}); !errors.Is(err, bucket.ErrNoOnChange) {
		t.Errorf("Observe returned %v, want ErrNoOnChange", err)
	}
}

func TestObserve(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	conn := connect(t, "nats://"+b.ListenAddr())
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	b.Hold(presence.Key{Site: "other", Room: "r", ClientID: "user-9", Conn: "a"}, at(1, "x"))
	waitWritten(t, b)

	site := observe(t, conn, bucket.Observer{Site: "site"})
	site.want(t, "joined user-1")
	all := observe(t, conn, bucket.Observer{})
	all.wantSet(t, "joined user-1, joined user-9")
	news := observe(t, conn, bucket.Observer{SkipPresent: true})
	for i := 0; news.String() == ""; i++ { // until it reports a change
		b.Hold(presence.Key{Site: "other", Room: "r", ClientID: "probe", Conn: "a"}, at(i%60, "x"))
		waitWritten(t, b)
	}

	// One change at a time: an observer may skip values that are written faster than it reads.
	step := func(want string, do func()) {
		do()
		eventually(t, want, func() bool { return news.last() == want && all.last() == want })
	}
	step("seen user-1", func() { b.Hold(page("r", "user-1", "a"), at(2, "x")) })
	b.Leave(page("r", "user-2", "a"))
	step("updated user-1", func() { b.Hold(page("r", "user-1", "a"), at(2, "y")) })
	step("joined user-8", func() {
		_ = b.Put(presence.Key{Site: "other", Room: "r2", ClientID: "user-8", Conn: "poll"}, at(1, "x"))
	})
	site.want(t, "joined user-1, seen user-1, updated user-1")
	step("left user-1", func() { b.Leave(page("r", "user-1", "a")) })
	step("left user-8", func() { b.Leave(presence.Key{Site: "other", Room: "r2", ClientID: "user-8", Conn: "poll"}) })
	site.want(t, "joined user-1, seen user-1, updated user-1, left user-1")
	if news.count(presence.Joined, "user-1")+news.count(presence.Joined, "user-9") > 0 {
		t.Errorf("an observer with SkipPresent reports people who were present: %s", news)
	}
	if site.count(presence.Joined, "user-8") > 0 {
		t.Error("an observer of one site reports a change of another site")
	}
	if c := all.all()[len(all.all())-1]; c.Site != "other" || c.Entry.Room != "r2" || c.Entry.DisplayName != "Ada" {
		t.Errorf("last change: %+v", c)
	}
}

func TestObserverSurvivesRestart(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	const ttl = 3 * testTTL // user-1 is renewed in time also when NATS takes a few seconds to start
	b := open(t, Config{URL: s.url(), TTL: ttl})
	gone := open(t, Config{URL: s.url(), TTL: ttl})
	d := observe(t, connect(t, s.url()), bucket.Observer{})
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	d.want(t, "joined user-1")
	gone.Hold(page("r", "user-2", "a"), at(1, "x"))
	d.want(t, "joined user-1, joined user-2")
	s.stop()
	gone.Close()
	s.start()
	d.want(t, "joined user-1, joined user-2, left user-2")
	b.Hold(page("r", "user-3", "a"), at(1, "x"))
	d.want(t, "joined user-1, joined user-2, left user-2, joined user-3")
}

// TestObserverWaitsForBucket starts an observer before any node has created the bucket.
func TestObserverWaitsForBucket(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	d := observe(t, connect(t, s.url()), bucket.Observer{})
	b := open(t, Config{URL: s.url()})
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	d.want(t, "joined user-1")
}

func TestObserveEndsWithConnection(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0"})
	conn := connect(t, "nats://"+b.ListenAddr())
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	joined := make(chan presence.Change, 1)
	done := make(chan error)
	go func() {
		done <- bucket.Observe(t.Context(), conn, bucket.Observer{OnChange: func(c presence.Change) { joined <- c }})
	}()
	<-joined
	conn.Close()
	if err := <-done; !errors.Is(err, nats.ErrConnectionClosed) {
		t.Error(err)
	}
}

// TestObserverMayOnlyRead checks that the permissions in the comment of package bucket are
// enough, and that they do not allow writing.
func TestObserverMayOnlyRead(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	s.stop()
	s.opts.Users = []*server.User{
		{Username: "node", Password: "n"},
		{Username: "observer", Password: "o", Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{"presence.>", "_INBOX_observer.>"}},
			Publish: &server.SubjectPermission{Allow: []string{
				"$JS.API.INFO",
				"$JS.API.STREAM.INFO.KV_presence",
				"$JS.API.CONSUMER.CREATE.KV_presence.>",
				"$JS.API.CONSUMER.DELETE.KV_presence.>",
				"$JS.FC.KV_presence.>",
			}},
		}},
	}
	s.start()
	b := open(t, Config{URL: "nats://node:n@" + s.url()[len("nats://"):]})
	refused := make(chan error, 10)
	conn := connect(t, "nats://observer:o@"+s.url()[len("nats://"):], nats.CustomInboxPrefix("_INBOX_observer"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	waitWritten(t, b)
	d := observe(t, conn, bucket.Observer{Site: "site"})
	d.want(t, "joined user-1")
	b.Leave(page("r", "user-1", "a"))
	d.want(t, "joined user-1, left user-1")
	select {
	case err := <-refused:
		t.Error(err)
	default:
	}
	if err := conn.Publish(keySubject+"site.r.user-2.a", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := <-refused; !errors.Is(err, nats.ErrPermissionViolation) {
		t.Error(err)
	}
}

func TestRepublishedMessages(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: testTTL, Node: "node-a"})
	published := recordMessages(t, "nats://"+b.ListenAddr())
	k := page("postType/post:42", "user-1", "a")
	b.Put(k, at(1, "x"))
	waitWritten(t, b)
	b.Put(k, at(2, "x"))
	waitWritten(t, b)
	b.Leave(k)
	waitWritten(t, b)
	b.Put(page("admin/online", "user-2", "poll"), at(1, "x"))
	eventually(t, "the expiry", func() bool { return published.count("MaxAge") == 1 })
	type header struct{ subject, last, op, reason string }
	var got []header
	for _, m := range published.all() {
		if m.Header.Get("Nats-Sequence") == "" {
			t.Errorf("%s has no Nats-Sequence", m.Subject)
		}
		if key, err := presence.ParseSubject(m.Subject); err != nil || key.Site != "site" {
			t.Errorf("%s is %v, %v", m.Subject, key, err)
		}
		got = append(got, header{m.Subject, m.Header.Get("Nats-Last-Sequence"), m.Header.Get("KV-Operation"), m.Header.Get("Nats-Marker-Reason")})
	}
	for i, want := range []header{
		{"presence.site.postType.post=3A42.user-1.a", "0", "", ""},
		{"presence.site.postType.post=3A42.user-1.a", "1", "", ""},
		{"presence.site.postType.post=3A42.user-1.a", "2", "PURGE", ""},
		{"presence.site.admin.online.user-2.poll", "0", "", ""},
		{"presence.site.admin.online.user-2.poll", "4", "", "MaxAge"},
	} {
		if i >= len(got) || got[i] != want {
			t.Fatalf("message %d of %+v, want %+v", i, got, want)
		}
	}
	const first = `{"room":"postType/post:42","client_id":"user-1","user_id":0,"display_name":"Ada","avatar_url":"",` +
		`"data":{"screen":"x"},"date_gmt":"2026-11-23 05:20:01","focused_at":0,"node":"node-a"}`
	if data := string(published.all()[0].Data); data != first {
		t.Errorf("value: %s", data)
	}
}
