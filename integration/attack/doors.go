//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// doors are where inputs come in. Each function sends at least one.
var doors = []struct {
	name string
	try  func(*client)
}{
	{"hello by POST", (*client).tryOpen},
	{"hello over WebSocket", (*client).tryHello},
	{"frames over WebSocket", (*client).tryFrames},
	{"frames by POST", (*client).tryFrame},
	{"polls", (*client).tryPoll},
	{"event streams", (*client).tryEvents},
	{"closes", (*client).tryClose},
	{"tickets and cookies", (*client).tryTicket},
	{"beats by POST", (*client).tryBeat},
	{"admin-ajax.php", (*client).tryAjax},
	{"API", (*client).tryAPI},
	{"API keys", (*client).tryKey},
	{"admin listener", (*client).tryAdmin},
	{"scripts", (*client).tryScript},
	{"HTTP, public", (*client).tryPublicHTTP},
	{"HTTP, admin", (*client).tryAdminHTTP},
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

const (
	formType = "Content-Type: application/x-www-form-urlencoded"
	jsonType = "Content-Type: application/json"
)

const usual = "&interval=60&_nonce=" + nonce + "&action=heartbeat&screen_id=post&has_focus=true"

// forms are bodies of beats and notes.
var forms = []string{
	"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&data%5Bpresence-ping%5D%5Btitle%5D=A+title" + usual,
	"data%5Bpresence-ping%5D%5Bscreen%5D=front&data%5Bpresence-ping%5D%5Bpost_id%5D=42" + usual,
	"data%5Bpresence-editor-ping%5D%5Bpost_id%5D=42" + usual,
	"data%5Bpresence-active-posts-ping%5D=frames" + usual,
	"data%5Bwp-refresh-post-lock%5D%5Bpost_id%5D=42&data%5Bwp-refresh-post-lock%5D%5Block%5D=1790000000%3A1000" + usual,
	"data%5Bwp-check-locked-posts%5D%5B%5D=post-42&data%5Bwp-check-locked-posts%5D%5B%5D=post-43" + usual,
	"data%5Bstock%5D=1&data%5Bother%5D%5B%5D%5Ba%5D=2" + usual,
	"idle=1&hidden=1", "idle=0&data%5Bpresence-ping%5D%5Bscreen%5D=upload", "action=heartbeat", "wp_customize=on" + usual, "",
}

// form returns a mutated body.
func (c *client) form() string { return c.mutateText(pick(c.source, forms)) }

// hello returns a hello: its members are mutated, or all of it.
func (c *client) hello(ticket string) []byte {
	conn := fmt.Sprintf("attack-%06d", c.IntN(1e6))
	after, body := "", pick(c.source, forms)
	switch c.IntN(5) {
	case 0:
		conn = c.mutateText(conn)
	case 1:
		after = c.mutateText("abc123-7")
	case 2:
		body = c.mutateText(body)
	}
	b, _ := json.Marshal(map[string]string{"type": "hello", "ticket": ticket, "conn": conn, "after": after, "body": body})
	if c.chance(3) {
		return c.mutate(b)
	}
	return b
}

func (c *client) tryOpen() {
	r := request{method: "POST", path: "/heartbeat/open", header: []string{jsonType}, body: c.hello(c.ticket())}
	if c.chance(2) {
		r.header = []string{formType}
		r.body = []byte("ticket=" + c.ticket() + "&conn=attack-form&after=" + c.mutateText("abc-1") + "&" + c.form())
		if c.chance(3) {
			r.body = c.mutate(r.body)
		}
	}
	if c.chance(4) {
		r.query = "id=" + c.mutateText("7")
	}
	c.keepSession(c.send(c.public, c.write(r)))
}

// keepSession takes the session of a welcome.
func (c *client) keepSession(status int, body []byte) {
	var welcome struct{ Session string }
	if status == 200 && json.Unmarshal(body, &welcome) == nil {
		c.session = welcome.Session
	}
}

// opened returns the lines of the header that name a session over long-poll, mostly a valid one.
func (c *client) opened() []string {
	if c.session == "" || c.chance(4) {
		b, _ := json.Marshal(map[string]string{"type": "hello", "ticket": c.attacker(), "conn": fmt.Sprintf("attack-%06d", c.IntN(1e6))})
		head := fmt.Sprintf("POST /heartbeat/open HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: %s\r\nContent-Length: %d\r\n\r\n", c.address(), len(b))
		c.keepSession(c.send(c.public, append([]byte(head), b...)))
	}
	session := c.session
	if c.chance(12) {
		session = c.mutateText(session)
	}
	return []string{"Heartbeat-Session: " + session}
}

// frame returns a mutated frame.
func (c *client) frame() []byte {
	kind := pick(c.source, []string{"beat", "beat", "beat", "note", "note", "ticket", "leave", "hello", "push", ""})
	members := map[string]any{"type": kind}
	if kind == "beat" {
		members["id"] = c.Uint64() >> c.IntN(64)
	}
	if kind == "beat" || kind == "note" {
		members["body"] = pick(c.source, forms)
		if c.chance(2) {
			members["body"] = c.form()
		}
	}
	if kind == "ticket" {
		members["ticket"] = c.ticket()
	}
	b, _ := json.Marshal(members)
	if kind == "beat" && c.chance(4) { // as the drop-in writes it
		b = fmt.Appendf(nil, `{"type":"beat","id":%d,"body":"%s"}`, c.IntN(1000), pick(c.source, forms))
	}
	if c.chance(2) {
		return c.mutate(b)
	}
	return b
}

func (c *client) tryFrame() {
	r := request{method: "POST", path: "/heartbeat/beat", header: append(c.opened(), jsonType), body: c.frame()}
	if c.chance(3) {
		r.header[1], r.body = formType, []byte(c.form())
		r.query = "type=" + pick(c.source, []string{"beat", "note", "leave", ""}) + "&id=7"
		if c.chance(2) {
			r.query = c.mutateText(r.query)
		}
	}
	c.send(c.public, c.write(r))
}

func (c *client) tryPoll() {
	query := c.mutateText(fmt.Sprintf("after=%d&id=%d", c.IntN(5), c.IntN(100)))
	c.send(c.public, c.write(request{method: "GET", path: "/heartbeat/poll", query: query, header: c.opened()}))
}

func (c *client) tryEvents() {
	query := fmt.Sprintf("after=%d&id=%d", c.IntN(3), c.IntN(100))
	if c.chance(4) {
		query = "test=1&id=3"
	}
	if c.chance(2) {
		query = c.mutateText(query)
	}
	c.send(c.public, c.write(request{method: "GET", path: "/heartbeat/events", query: query, header: c.opened()}))
}

func (c *client) tryClose() {
	_ = c.opened()
	body := "session=" + c.session
	if c.chance(2) {
		body = c.mutateText(body)
	}
	c.send(c.public, c.write(request{method: "POST", path: "/heartbeat/close", header: []string{formType}, body: []byte(body)}))
}

// tryTicket sends a mutated ticket with a good beat, and a mutated cookie with a good ticket.
func (c *client) tryTicket() {
	r := request{method: "POST", path: "/heartbeat/beat", header: []string{formType}, body: []byte(pick(c.source, forms))}
	if c.chance(2) {
		r.header = append(r.header, "Heartbeat-Ticket: "+c.ticket())
	} else {
		full := claims(firstAttacker+c.IntN(attackers), "Attacker")
		full.Cookie = cookieID
		value := c.mutateText("admin%7C1790000000%7C" + strings.ReplaceAll(token, " ", "%20") + "%7C0123456789abcdef")
		r.header = append(r.header, "Heartbeat-Ticket: "+sign(shop, shopSecret, full), "Cookie: a=b; "+cookie+"="+value)
		if c.chance(3) {
			r.header[2] = c.mutateText(r.header[2])
		}
	}
	c.send(c.public, c.write(r))
}

func (c *client) tryBeat() {
	r := request{method: "POST", path: "/heartbeat/beat", body: []byte(c.form())}
	r.header = []string{formType, "Heartbeat-Ticket: " + c.attacker(), "Heartbeat-Connection: " + c.mutateText("attack-by-post")}
	if c.chance(10) {
		r.header[0] = c.mutateText(r.header[0])
	}
	c.send(c.public, c.write(r))
}

func (c *client) tryAjax() {
	r := request{method: "POST", path: ajaxPath, header: []string{formType}, body: []byte(c.form())}
	switch c.IntN(4) {
	case 0:
		r.header = append(r.header, "Heartbeat-Ticket: "+c.ticket())
	case 1:
		r.method, r.query, r.body = "GET", c.mutateText("action=heartbeat&a[]=1"), nil
	case 2:
		r.header = append(r.header, c.mutateText(pick(c.source, headers)))
	}
	c.send(c.public, c.write(r))
}

func (c *client) tryScript() {
	r := request{method: "GET", path: "/heartbeat/" + c.mutateText(pick(c.source, []string{"heartbeat.js", "heartbeat.js.map", "other.js"}))}
	r.header = []string{c.mutateText(pick(c.source, headers))}
	c.send(c.public, c.write(r))
}
