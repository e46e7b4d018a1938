package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// streamer is a page that beats by POST and reads its frames from a stream of events.
type streamer struct {
	*poller
	stream *bufio.Reader
	header http.Header
	last   uint64 // the id of the last event
}

func (p *page) streamer(t *testing.T) *streamer {
	t.Helper()
	s := &streamer{poller: p.poller(t)}
	s.open()
	return s
}

// open requests a stream.
func (s *streamer) open() {
	s.t.Helper()
	r, _ := http.NewRequestWithContext(s.t.Context(), "GET", fmt.Sprintf("%s/heartbeat/events?after=%d", s.page.node.url, s.last), nil)
	r.Header.Set(transport.SessionHeader, s.id)
	answer, err := s.page.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("events: %d", answer.StatusCode)
	}
	s.stream, s.header = bufio.NewReader(answer.Body), answer.Header
}

// next returns the frame of the next event of a type.
func (s *streamer) next(kind string) frame {
	s.t.Helper()
	for {
		line, err := s.stream.ReadString('\n')
		if err != nil {
			s.t.Fatalf("waiting for %s: %v", kind, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if id, found := strings.CutPrefix(line, "id:"); found {
			n, err := strconv.ParseUint(id, 10, 64)
			if err != nil || n != s.last+1 {
				s.t.Fatalf("event %s came after %d", id, s.last)
			}
			s.last = n
		}
		var f frame
		if data, found := strings.CutPrefix(line, "data:"); found {
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				s.t.Fatalf("%s: %v", data, err)
			}
			if f.Type == kind {
				return f
			}
		}
	}
}

// TestEvents has a page hear of another one, beat, and get its bye when its ticket expires.
func TestEvents(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.streamer(t)
	if s.header.Get("Content-Type") != "text/event-stream" || s.header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("the headers are %v", s.header)
	}
	if f := s.next("presence"); f.Room == "" || f.Snapshot == nil && f.Total != 0 {
		t.Errorf("the first frame is %+v", f)
	}
	if f := s.beat(1, p.pinging("dashboard")); f.Type != "tick" || f.ID != 1 {
		t.Errorf("the beat was answered %+v", f)
	}
	other := n.page(t, 2)
	other.post(t, other.pinging("upload"))
	for {
		f := s.next("presence")
		if slices.ContainsFunc(f.Joined, func(e map[string]any) bool { return e["client_id"] == "user-2" }) {
			break // one frame may list both users
		}
	}
	status, _ := s.do("POST", "/beat", `{"type":"leave"}`)
	if f := s.next("bye"); status != http.StatusNoContent || f.Code != transport.CodeLeft {
		t.Errorf("after leave: %d, %+v", status, f)
	}
	if status, _ := s.do("GET", "/events?after="+strconv.FormatUint(s.last, 10), ""); status != http.StatusGone {
		t.Errorf("a stream after that: %d", status)
	}
}

// TestEventsEndWithTheTicket ends the stream when its ticket expires.
func TestEventsEndWithTheTicket(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	signed, err := ticket.Sign(demoSite, n.demo.Secret(), claimsFor("1"), time.Now().Add(2*time.Second-ticket.Life))
	if err != nil {
		t.Fatal(err)
	}
	p.ticket = signed
	s := p.streamer(t)
	if f := s.next("bye"); f.Code != transport.CodeTicket {
		t.Errorf("%+v", f)
	}
}

// TestEventsGone starts the grace when the stream of a page breaks.
func TestEventsGone(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := &streamer{poller: p.poller(t)}
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", n.url+"/heartbeat/events?after=0", nil)
	r.Header.Set(transport.SessionHeader, s.id)
	answer, err := p.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = answer.Body.Close()
	until(t, "the session is gone", func() bool {
		status, _ := s.do("POST", "/beat", `{"type":"note","body":""}`)
		return status == http.StatusGone
	})
}
