package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/internal/apidoc"
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

// next returns the frame of the next event of a type, or of any if kind is empty.
func (s *streamer) next(kind string) frame {
	s.t.Helper()
	f, err := s.read(kind)
	if err != nil {
		s.t.Fatalf("waiting for %s: %v", kind, err)
	}
	return f
}

// read is like next. The error is io.EOF if the stream has ended as it should.
func (s *streamer) read(kind string) (f frame, err error) {
	s.t.Helper()
	for {
		line, err := s.stream.ReadString('\n')
		if err != nil {
			return frame{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		if id, found := strings.CutPrefix(line, "id:"); found {
			n, err := strconv.ParseUint(id, 10, 64)
			if err != nil || n != s.last+1 {
				s.t.Fatalf("event %s came after %d", id, s.last)
			}
			s.last = n
		}
		if data, found := strings.CutPrefix(line, "data:"); found {
			apidoc.Frame(s.t, []byte(data))
			f = frame{}
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				s.t.Fatalf("%s: %v", data, err)
			}
			if f.Type == kind || kind == "" {
				return f, nil
			}
		}
	}
}

// TestEvents checks that a page with a stream gets presence of another page, ticks, and a
// bye after it has left.
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

// TestEventsEndWithTicket checks that a stream ends when its ticket expires.
func TestEventsEndWithTicket(t *testing.T) {
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

// TestEventsGone checks that the session of a page whose stream breaks ends.
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

// TestTestStream checks that a test stream needs no session and ends with the node.
func TestTestStream(t *testing.T) {
	n := newNode(t)
	answer, err := n.page(t, 1).http.Get(n.url + "/heartbeat/events?test=1&id=7")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	stream := bufio.NewReader(answer.Body)
	if line, err := stream.ReadString('\n'); line != ":7\n" || err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	started := time.Now()
	n.Drain(t.Context(), 0)
	if _, err := io.ReadAll(stream); err != nil || time.Since(started) > 5*time.Second {
		t.Errorf("the stream ended after %v, %v", time.Since(started), err)
	}
}

// TestChangeToEvents checks that a page that changes from long-poll to a stream gets each
// frame once: those that waited for its poll, and those sent before the stream begins.
func TestChangeToEvents(t *testing.T) {
	n := newNode(t)
	n.subscribed(t)
	p := n.page(t, 1)
	old := &poller{t: t, page: p}
	cursor := old.openAfter("")
	_, seq, _ := old.poll(0)
	join := func(user int) {
		other := n.page(t, user)
		other.socket(t).beat(1, other.pinging("dashboard"))
	}

	join(2) // while there is no poll
	n.pushed(t, everybody, `"first"`)
	n.call(t, "/nudge", `{"to":{"all":true},"spread_ms":1}`)
	until(t, "the frames wait", func() bool {
		frames, _, _ := n.outboxOf(p).After(seq)
		return len(frames) >= 3
	})
	s := &streamer{poller: &poller{t: t, page: p}}
	if got := s.openAfter(cursor); got != cursor {
		t.Errorf("the welcome says that pushes follow %s, want %s", got, cursor)
	}
	join(3) // before the stream begins
	n.pushed(t, everybody, `"second"`)
	n.call(t, "/nudge", `{"to":{"all":true},"spread_ms":2}`)
	s.open()
	var pushes, people []string
	for nudge := 0; nudge != 2 || len(people) < 2; {
		f := s.next("")
		switch f.Type {
		case "push":
			pushes = append(pushes, string(f.Data))
		case "nudge":
			nudge = f.Spread
		}
		for _, e := range append(f.Snapshot, f.Joined...) {
			people = append(people, e["client_id"].(string))
		}
	}
	slices.Sort(people)
	if got, want := fmt.Sprint(pushes, people), `["first" "second"] [user-2 user-3]`; got != want {
		t.Errorf("the stream had %s, want %s", got, want)
	}
	// The first nudge is not repeated on the stream: the page gets it from its last poll.
	_, _, frames := old.poll(seq)
	if last := frames[len(frames)-1]; last.Type != "bye" || last.Code != transport.CodeReplaced ||
		!slices.ContainsFunc(frames, func(f frame) bool { return f.Type == "nudge" && f.Spread == 1 }) {
		t.Errorf("the last poll was answered %+v", frames)
	}
}

// openAfter opens the session of a page that comes with a cursor, and returns the cursor of
// the welcome.
func (l *poller) openAfter(cursor string) string {
	l.t.Helper()
	status, b := l.do("POST", "/open", strings.Replace(l.page.hello(), `"conn"`, `"after":"`+cursor+`","conn"`, 1))
	var f frame
	if err := json.Unmarshal(b, &f); err != nil || status != http.StatusOK {
		l.t.Fatalf("open: %d %s", status, b)
	}
	l.id = f.Session
	return f.Cursor
}

// outboxOf returns the outbox of a page's connection.
func (n *node) outboxOf(p *page) *transport.Outbox {
	s := n.find(1, p.conn)
	s.outlet.mu.Lock()
	defer s.outlet.mu.Unlock()
	return s.out
}
