//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// The one site of every workload.
const (
	siteID     = "load"
	siteSecret = "a secret that is good for nothing but load"
	apiKey     = "an operator's key that is good for nothing but load"
	nonce      = "0123456789"
)

// person is the user of a page, and the body of their beats.
type person struct {
	id     string
	ticket string
	body   string // of a beat, 110 to 130 bytes
}

// editor returns a person who edits a post. Only its editors receive each other's changes.
func editor(user, post int) (person, error) {
	id := strconv.Itoa(post)
	return newPerson(user, ticket.Claims{
		Rooms: []string{postRoom(post)}, Screen: "post", ScreenLabel: "Edit Post", Post: &wordpress.Post{ID: int64(post), Type: "post"},
	}, editorBody(id))
}

// editorBody returns the body of a beat of a page that edits a post.
func editorBody(post string) string {
	return "data%5Bpresence-editor-ping%5D%5Bpost_id%5D=" + post + "&interval=10&_nonce=" + nonce + "&action=heartbeat&screen_id=post&has_focus=true"
}

// visitor returns a person on the dashboard, where everybody receives all changes.
func visitor(user int) (person, error) {
	return newPerson(user, ticket.Claims{Screen: "dashboard", ScreenLabel: "Dashboard"},
		"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60&_nonce="+nonce+"&action=heartbeat&screen_id=dashboard&has_focus=true")
}

func postRoom(post int) string { return "postType/post:" + strconv.Itoa(post) }

func newPerson(user int, c ticket.Claims, body string) (person, error) {
	now := time.Now()
	id := strconv.Itoa(user)
	login, page := sha256.Sum256([]byte(id)), sha256.Sum256([]byte(nonce))
	c.Name, c.Can = "Editor "+id, []string{"edit_posts"}
	c.Avatar = "https://secure.gravatar.com/avatar/" + hex.EncodeToString(login[:]) + "?s=64&d=mm&r=g"
	c.SID, c.Nonce, c.FreshUntil = hex.EncodeToString(login[:]), hex.EncodeToString(page[:]), now.Add(time.Hour).Unix()
	c.Native = []string{"presence-ping", "presence-editor-ping"}
	c.RegisteredClaims = jwt.RegisteredClaims{Subject: id}
	ticket, err := ticket.Sign(siteID, siteSecret, c, now)
	return person{id: id, ticket: ticket, body: body}, err
}

// hello returns the page's first frame. If present, the page enters its room with it. Its user is active.
func (p person) hello(conn string, present bool) string {
	body := "idle=0"
	if present {
		body = p.body + "&" + body
	}
	return `{"type":"hello","ticket":"` + p.ticket + `","conn":"` + conn + `","body":"` + body + `"}`
}

func (p person) beat(dst []byte, id int) []byte {
	dst = strconv.AppendInt(append(dst, `{"type":"beat","id":`...), int64(id), 10)
	return append(append(append(dst, `,"body":"`...), p.body...), `"}`...)
}

// connIDs is the number of connection ids so far. Each page has one of its own.
var connIDs int

func newConnID() string {
	connIDs++
	return fmt.Sprintf("page-%08d", connIDs)
}

// kind returns the type of a server's frame, which is always its first member.
func kind(frame []byte) string {
	rest, found := bytes.CutPrefix(frame, []byte(`{"type":"`))
	end := bytes.IndexByte(rest, '"')
	if !found || end < 0 {
		return ""
	}
	return string(rest[:end])
}

// page is a browser page with a link over a WebSocket.
type page struct {
	socket
	who        person
	beats      int
	present    bool // enters its room with the hello
	dates      bool // says in the hello that it understands dates
	frame      []byte
	welcomed   func()
	onTick     func()
	onPresence func(frame []byte)
	onPush     func()
}

// openPage opens the nth connection of a workload as a page.
func (l *loop) openPage(n int, to netip.AddrPort, p *page) {
	p.opened = func() {
		hello := p.who.hello(newConnID(), p.present)
		if p.dates {
			hello = understandsDates(hello)
		}
		p.text([]byte(hello))
	}
	p.onText = p.receive
	l.openSocket(n, to, "/heartbeat/socket", transport.Subprotocol, &p.socket)
}

func (p *page) receive(b []byte) {
	switch kind(b) {
	case "welcome":
		p.welcomed()
	case "tick":
		if err := goodTick(b); err != nil {
			p.loop.fail(err)
			return
		}
		p.onTick()
	case "presence":
		if p.onPresence != nil {
			p.onPresence(b)
		}
	case "push":
		if p.onPush == nil {
			p.loop.fail(fmt.Errorf("an unexpected push: %s", b))
			return
		}
		p.onPush()
	case "alive":
	default: // a bye or a decline
		p.loop.fail(fmt.Errorf("an unexpected frame: %s", b))
	}
}

// goodTick returns an error unless b is a tick with the answer of the pipeline.
func goodTick(b []byte) error {
	if kind(b) != "tick" || !bytes.Contains(b, []byte(`"status":200,`)) || !bytes.Contains(b, []byte(`server_time`)) {
		return fmt.Errorf("no tick: %s", b)
	}
	return nil
}

// beat beats once and calls done with the tick.
func (p *page) beat(done func()) {
	p.onTick = done
	p.beats++
	p.frame = p.who.beat(p.frame[:0], p.beats)
	p.text(p.frame)
}

// leave logs the page out. gone is called when the server has closed the connection.
func (p *page) leave(gone func()) {
	p.onText = func([]byte) {} // the last presence frames, and the bye
	p.ended = func(error) { gone() }
	p.text([]byte(`{"type":"leave"}`))
}

// poller is a browser page with a link over long-poll.
type poller struct {
	caller  // for open, and then for beats
	to      netip.AddrPort
	who     person
	present bool
	header  string
	beats   int
	frame   []byte
	onPush  func()
}

const jsonType = "Content-Type: application/json\r\n"

// openPoller opens the nth connection of a workload as a page that polls.
func (l *loop) openPoller(n int, to netip.AddrPort, p *poller, welcomed func()) {
	p.to = to
	p.opened = func() {
		hello := p.who.hello(newConnID(), p.present)
		p.do(appendRequest(nil, "POST", "/heartbeat/open", to, jsonType, hello), func(r response) {
			_, rest, _ := bytes.Cut(r.body, []byte(`"session":"`))
			session, _, found := bytes.Cut(rest, []byte(`"`))
			if r.status != 200 || kind(r.body) != "welcome" || !found {
				l.fail(fmt.Errorf("no welcome but %d %s", r.status, r.body))
				return
			}
			p.header = jsonType + transport.SessionHeader + ": " + string(session) + "\r\n"
			welcomed()
		})
	}
	l.openCaller(n, to, &p.caller)
}

// beat beats once and calls done with the tick.
func (p *poller) beat(done func()) {
	p.beats++
	p.frame = p.who.beat(p.frame[:0], p.beats)
	p.do(appendRequest(nil, "POST", "/heartbeat/beat", p.to, p.header, string(p.frame)), func(r response) {
		if err := goodTick(r.body); err != nil {
			p.loop.fail(fmt.Errorf("%d: %w", r.status, err))
			return
		}
		done()
	})
}

// poll polls without an end, on the poller's connection.
func (p *poller) poll(after string) {
	request := appendRequest(nil, "GET", "/heartbeat/poll?after="+after, p.to, p.header, "")
	p.do(request, func(r response) {
		rest, found := bytes.CutPrefix(r.body, []byte(`{"seq":`))
		seq, _, whole := bytes.Cut(rest, []byte(`,`))
		if r.status != 200 || !found || !whole {
			p.loop.fail(fmt.Errorf("no answer to a poll but %d %s", r.status, r.body))
			return
		}
		for range bytes.Count(r.body, []byte(`{"type":"push",`)) {
			p.onPush()
		}
		p.poll(string(seq))
	})
}

// stream reads event streams without an end, on the poller's connection.
func (p *poller) stream(after string) {
	p.do(appendRequest(nil, "GET", "/heartbeat/events?after="+after, p.to, p.header, ""), func(r response) {
		if r.status != 200 {
			p.loop.fail(fmt.Errorf("no stream but %d %s", r.status, r.body))
			return
		}
		if last := bytes.LastIndex(r.body, []byte("\nid:")); last >= 0 {
			id, _, _ := bytes.Cut(r.body[last+len("\nid:"):], []byte("\n"))
			after = string(id)
		}
		p.stream(after)
	})
}
