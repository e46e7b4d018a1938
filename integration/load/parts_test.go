//go:build linux

package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// node starts a heartbeatd with an embedded NATS in the process of the benchmark.
func node(b *testing.B) *server.Server {
	b.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	nats := nodetest.OpenBroker(b, broker.Config{Logger: log})
	s, err := server.New(server.Config{
		Broker: nats, BasePath: "/heartbeat", Logger: log,
		Sites: []server.Site{{ID: siteID, Secrets: []string{siteSecret}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

func must[T any](v T, err error) func(*testing.B) T {
	return func(b *testing.B) T {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
}

// BenchmarkParseForm decodes the body of a beat as PHP does.
func BenchmarkParseForm(b *testing.B) {
	body := []byte(must(editor(1, 42))(b).body)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if wordpress.ParseForm(body).Len() != 6 {
			b.Fatal("not the fields of a beat")
		}
	}
}

// BenchmarkTickJSON writes a small tick as PHP does.
func BenchmarkTickJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		tick := wordpress.NewArray()
		tick.Set("wp-auth-check", true)
		tick.Set("server_time", int64(1764000000))
		if _, err := wordpress.AppendJSON(nil, tick); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTickFrame puts a tick of the dashboard into its frame.
func BenchmarkTickFrame(b *testing.B) {
	tick := `{"wp-auth-check":true,"server_time":1764000000,"presence-online":[{"user_id":1,"display_name":"Editor 1","screen":"dashboard"}]}`
	frame := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		frame = transport.AppendString(frame[:0], tick)
	}
}

// BenchmarkKeyString encodes a key.
func BenchmarkKeyString(b *testing.B) {
	k := presence.Key{Site: siteID, Room: postRoom(42), ClientID: "editor-7", Conn: newConnID()}
	b.ReportAllocs()
	for b.Loop() {
		_ = k.String()
	}
}

// BenchmarkParseKey parses a key.
func BenchmarkParseKey(b *testing.B) {
	name := presence.Key{Site: siteID, Room: postRoom(42), ClientID: "editor-7", Conn: newConnID()}.String()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := presence.ParseKey(name); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRoomChange folds the beat of one of a thousand people into their room.
func BenchmarkRoomChange(b *testing.B) {
	var fold presence.Fold
	const people = 1000
	dates := []string{"2026-11-23 05:20:00", "2026-11-23 05:20:10"}
	put := func(i, date int) int {
		k := presence.Key{Site: siteID, Room: "admin/online", ClientID: "user-" + strconv.Itoa(i), Conn: "page-" + strconv.Itoa(i)}
		changes, err := fold.Put(k, presence.Stored{Entry: presence.Entry{
			Room: k.Room, ClientID: k.ClientID, UserID: int64(i), DisplayName: "Editor", Data: []byte(`{"screen":"dashboard"}`), DateGMT: dates[date],
		}})
		if err != nil {
			b.Fatal(err)
		}
		return len(changes)
	}
	for i := range people {
		put(i, 0)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if put(i%people, 1-i/people%2) != 1 {
			b.Fatal("the beat has no change")
		}
		i++
	}
}

// BenchmarkSignTicket makes a ticket, as WordPress does.
func BenchmarkSignTicket(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = must(editor(1, 42))(b)
	}
}

// BenchmarkPost answers beats by POST, from the request to the response, with the check of
// the ticket.
func BenchmarkPost(b *testing.B) {
	handler := node(b).Public()
	who := must(editor(1, 42))(b)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/heartbeat/beat", strings.NewReader(who.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Heartbeat-Ticket", who.ticket)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkSessionBeat answers beats of a page with a link: the pipeline without the
// network. A page may beat a few times only, so another one replaces it while the timer is
// stopped.
func BenchmarkSessionBeat(b *testing.B) {
	s := node(b)
	request := httptest.NewRequest("GET", "/heartbeat/socket", nil)
	who := must(editor(1, 42))(b)
	beat := transport.Beat{ID: 1, Body: []byte(who.body)}
	var page transport.Session
	b.ReportAllocs()
	for left := 0; b.Loop(); left-- {
		if left == 0 {
			b.StopTimer()
			if page != nil {
				page.Leave()
			}
			var err error
			page, _, err = s.Open(request, transport.Hello{Ticket: who.ticket, Conn: newConnID()}, new(transport.Outbox))
			if err != nil {
				b.Fatal(err)
			}
			left = burst
			b.StartTimer()
		}
		if tick := page.Beat(b.Context(), beat); tick.Decline {
			b.Fatal("declined")
		}
	}
}

// BenchmarkOpen opens and ends sessions: their ticket is checked, and they join their rooms.
func BenchmarkOpen(b *testing.B) {
	s := node(b)
	request := httptest.NewRequest("GET", "/heartbeat/socket", nil)
	who := must(editor(1, 42))(b)
	b.ReportAllocs()
	for b.Loop() {
		page, _, err := s.Open(request, transport.Hello{Ticket: who.ticket, Conn: newConnID()}, new(transport.Outbox))
		if err != nil {
			b.Fatal(err)
		}
		page.Leave()
	}
}
