package server

import (
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// issuer verifies the nonces of the WordPress that made them.
type issuer interface {
	// verifyNonce returns 1 in the first half of the nonce's life, 2 in the
	// second, 0 when it is over or wrong.
	verifyNonce(c *Call, nonce, action string) int
}

// reply is the answer to a request, before it is bytes.
type reply struct {
	status int
	text   string
	json   any
	isJSON bool
}

// ajax answers a request to admin-ajax.php: by the hooks on wp_ajax_{action}
// when logged in, on wp_ajax_nopriv_{action} when not, and with 0 and status
// 400 when nothing hangs there.
func (p *pipeline) ajax(c *Call) transport.Tick {
	c.hooks = p.hooks
	c.Action = c.request("action")
	name := "wp_ajax_" + c.Action
	if c.User == nil {
		name = "wp_ajax_nopriv_" + c.Action
	}
	if c.Action == "" {
		c.Die(http.StatusBadRequest, "0")
		tick := c.tick()
		tick.Header = earlyHeader
		return tick
	}
	if !p.hooks.Has(name) {
		c.Die(http.StatusBadRequest, "0")
		return c.tick()
	}
	p.hooks.run(name, c)
	if c.reply == nil {
		// Where no hook ends the request, admin-ajax.php does.
		c.Die(http.StatusOK, "0")
	}
	return c.tick()
}

// pipeline answers beats, step for step as WordPress does.
type pipeline struct {
	hooks *Hooks
}

// heartbeat is wp_ajax_heartbeat: the beat of somebody who is logged in.
func (p *pipeline) heartbeat(c *Call) {
	if c.Post.String("action") != "heartbeat" {
		// admin-ajax.php offers core's own actions by the form only.
		c.Die(http.StatusBadRequest, "0")
		return
	}
	nonce := c.Post.Get("_nonce")
	if wordpress.Empty(nonce) {
		failed := wordpress.NewArray()
		failed.Set("success", false)
		c.SendJSON(failed)
		return
	}
	p.read(c)
	state := 0
	if s, ok := nonce.(string); ok {
		state = c.issuer.verifyNonce(c, s, "heartbeat-nonce")
	}
	if state != 1 {
		p.hooks.run("wp_refresh_nonces", c)
	}
	if state == 0 {
		c.Response.Set("nonces_expired", true)
		c.SendJSON(c.Response)
		return
	}
	p.answer(c, "heartbeat_")
}

// heartbeatNopriv is wp_ajax_nopriv_heartbeat: the beat of a visitor.
func (p *pipeline) heartbeatNopriv(c *Call) {
	p.read(c)
	p.answer(c, "heartbeat_nopriv_")
}

func (p *pipeline) read(c *Call) {
	c.Response = wordpress.NewArray()
	c.Screen = "front"
	if screen := c.Post.Get("screen_id"); !wordpress.Empty(screen) {
		s, _ := screen.(string) // sanitize_key of what is no scalar is empty
		c.Screen = wordpress.SanitizeKey(s)
	}
	c.Focus = c.Post.String("has_focus") == "true"
	c.Data = asArray(c.Post.Get("data"))
}

// asArray reads a form value as PHP's (array) cast does, and what is empty() as none.
func asArray(v any) *wordpress.Array {
	if wordpress.Empty(v) {
		return wordpress.NewArray()
	}
	if a, ok := v.(*wordpress.Array); ok {
		return a
	}
	a := wordpress.NewArray()
	a.Append(v)
	return a
}

func (p *pipeline) answer(c *Call, prefix string) {
	if c.Data.Len() > 0 {
		p.hooks.run(prefix+"received", c)
	}
	p.hooks.run(prefix+"send", c)
	p.hooks.run(prefix+"tick", c)
	if c.reply == nil {
		c.Response.Set("server_time", c.Now.Unix())
		c.SendJSON(c.Response)
	}
}

// The headers of every answer of admin-ajax.php, as a live WordPress sends
// them. They are shared, so whoever adds one clones first.
var (
	htmlHeader = ajaxHeader("text/html; charset=UTF-8")
	jsonHeader = ajaxHeader("application/json; charset=UTF-8")
	// Without an action WordPress ends before it sends the rest.
	earlyHeader = http.Header{
		"Content-Type":  htmlHeader["Content-Type"],
		"X-Robots-Tag":  htmlHeader["X-Robots-Tag"],
		"Expires":       htmlHeader["Expires"],
		"Cache-Control": htmlHeader["Cache-Control"],
	}
)

func ajaxHeader(contentType string) http.Header {
	return http.Header{
		"Content-Type":            {contentType},
		"X-Robots-Tag":            {"noindex"},
		"X-Content-Type-Options":  {"nosniff"},
		"Referrer-Policy":         {"strict-origin-when-cross-origin"},
		"X-Frame-Options":         {"SAMEORIGIN"},
		"Content-Security-Policy": {"frame-ancestors 'self';"},
		"Expires":                 {"Wed, 11 Jan 1984 05:00:00 GMT"},
		"Cache-Control":           {"no-cache, must-revalidate, max-age=0, no-store, private"},
	}
}

// tickSize is about how many bytes a reply has: most are what is written already.
func tickSize(v any) int {
	size := 128
	if a, ok := v.(*wordpress.Array); ok {
		for _, value := range a.All() {
			if written, ok := value.(wordpress.Encoded); ok {
				size += len(written)
			}
		}
	}
	return size
}

// tick turns the reply into bytes.
func (c *Call) tick() transport.Tick {
	r := c.reply
	if !r.isJSON {
		return transport.Tick{Status: r.status, Header: htmlHeader, Body: []byte(r.text)}
	}
	body, err := wordpress.AppendJSON(make([]byte, 0, tickSize(r.json)), r.json)
	if err != nil {
		return transport.Tick{Status: http.StatusInternalServerError, Header: htmlHeader, Body: []byte("a hook answered with what JSON cannot say: " + err.Error())}
	}
	return transport.Tick{Status: r.status, Header: jsonHeader, Body: body}
}
