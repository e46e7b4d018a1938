package server

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// benchServer returns a node and a valid ticket.
func benchServer(b *testing.B) (*Server, string) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	nats := nodetest.OpenBroker(b, broker.Config{Logger: log})
	s, err := New(Config{Broker: nats, BasePath: "/heartbeat", Logger: log, Sites: []Site{{ID: "bench", Secrets: []string{"secret"}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s, benchTicket(b, 42)
}

// benchTicket returns the ticket of a user who edits the post of the same number.
func benchTicket(b *testing.B, user int) string {
	b.Helper()
	id := strconv.Itoa(user)
	nonce, login := sha256.Sum256([]byte("0123456789")), sha256.Sum256([]byte(id))
	signed, err := ticket.Sign("bench", "secret", ticket.Claims{
		Name: "Editor " + id, Avatar: "https://secure.gravatar.com/avatar/" + hex.EncodeToString(login[:]) + "?s=64&d=mm&r=g",
		SID: hex.EncodeToString(login[:]), Can: []string{"edit_posts"}, Rooms: []string{"postType/post:" + id}, Native: nativeHandles,
		Screen: "post", ScreenLabel: "Edit Post", Post: &wordpress.Post{ID: int64(user), Type: "post"},
		Nonce: hex.EncodeToString(nonce[:]), FreshUntil: time.Now().Add(time.Hour).Unix(),
		RegisteredClaims: jwt.RegisteredClaims{Subject: id},
	}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	return signed
}

// BenchmarkVerifyTicket verifies a ticket, as for a hello or a page's first POST.
func BenchmarkVerifyTicket(b *testing.B) {
	s, ticket := benchServer(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.verifyTicket(ticket); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPostedTicket verifies a ticket that is cached.
func BenchmarkPostedTicket(b *testing.B) {
	s, ticket := benchServer(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := s.postedTicket(ticket); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNative decides whether a beat is for PHP.
func BenchmarkNative(b *testing.B) {
	s, ticket := benchServer(b)
	_, claims, err := s.verifyTicket(ticket)
	if err != nil {
		b.Fatal(err)
	}
	form := wordpress.ParseForm([]byte(benchBeat))
	b.ReportAllocs()
	for b.Loop() {
		c := hook.Call{Post: form, Data: form.Array("data"), Now: time.Now()}
		if claims.WhyPHP(&c, s.pipeline.Hooks(), true, c.Now) != "" {
			b.Fatal("the beat is left to PHP")
		}
	}
}

const benchBeat = "data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60&_nonce=0123456789&action=heartbeat&screen_id=dashboard&has_focus=true"

// BenchmarkPipeline answers a beat without presence handles: the hooks and the tick's JSON.
func BenchmarkPipeline(b *testing.B) {
	s, ticket := benchServer(b)
	st, claims, err := s.verifyTicket(ticket)
	if err != nil {
		b.Fatal(err)
	}
	form := wordpress.ParseForm([]byte("interval=60&_nonce=0123456789&action=heartbeat&screen_id=dashboard&has_focus=true"))
	user := claims.User()
	b.ReportAllocs()
	for b.Loop() {
		c := &beat{Call: hook.Call{User: user, Post: form, Now: time.Now(), Nonces: claims}, site: st}
		c.read()
		if s.pipeline.Answer(&c.Call).Status != 200 {
			b.Fatal("no tick")
		}
	}
}
