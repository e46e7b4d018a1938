// Package pipeline answers beats: it runs the hooks in WordPress's order, and makes a tick
// of their response.
//
//	pipeline.go    wp_ajax_heartbeat, step for step
//	hooks.go       heartbeatd's own hooks
//	presence.go    answers who is online, and which posts are being edited
//	postrooms.go   writes the entries of editors and locks in the rooms of posts
package pipeline

import (
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

// Answer answers a request to admin-ajax.php: with the hooks on wp_ajax_{action} for a
// logged-in user, with those on wp_ajax_nopriv_{action} for a visitor, and with 0 and status
// 400 if there are none.
func (p *Pipeline) Answer(c *hook.Call) transport.Tick {
	c.Action = c.Request("action")
	name := "wp_ajax_" + c.Action
	if c.User == nil {
		name = "wp_ajax_nopriv_" + c.Action
	}
	if c.Action == "" {
		c.Die(http.StatusBadRequest, "0")
		tick := TickOf(c)
		tick.Header = earlyHeader
		return tick
	}
	if !p.hooks.Has(name) {
		c.Die(http.StatusBadRequest, "0")
		return TickOf(c)
	}
	p.hooks.Run(name, c)
	if _, answered := c.Reply(); !answered {
		// Where no hook ends the request, admin-ajax.php does.
		c.Die(http.StatusOK, "0")
	}
	return TickOf(c)
}

// Pipeline answers beats, step for step as WordPress does.
type Pipeline struct{ hooks *hook.Hooks }

// New returns a pipeline with these hooks, to which it adds those of core's beat and of
// presence.
func New(hooks *hook.Hooks) *Pipeline {
	p := &Pipeline{hooks}
	hooks.Add("wp_ajax_heartbeat", 1, p.heartbeat)
	hooks.Add("wp_ajax_nopriv_heartbeat", 1, p.heartbeatNopriv)
	addPresence(hooks)
	return p
}

// Hooks returns the pipeline's hooks.
func (p *Pipeline) Hooks() *hook.Hooks { return p.hooks }

// heartbeat is wp_ajax_heartbeat: it answers the beat of a logged-in user.
func (p *Pipeline) heartbeat(c *hook.Call) {
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
	c.Response = wordpress.NewArray()
	state := 0
	if s, ok := nonce.(string); ok {
		state = c.Nonces.VerifyNonce(s, "heartbeat-nonce", c.Now)
	}
	if state != 1 {
		p.hooks.Run("wp_refresh_nonces", c)
	}
	if state == 0 {
		c.Response.Set("nonces_expired", true)
		c.SendJSON(c.Response)
		return
	}
	p.runFilters(c, "heartbeat_")
}

// heartbeatNopriv is wp_ajax_nopriv_heartbeat: it answers the beat of a visitor.
func (p *Pipeline) heartbeatNopriv(c *hook.Call) {
	c.Response = wordpress.NewArray()
	p.runFilters(c, "heartbeat_nopriv_")
}

// runFilters runs the hooks that make the tick.
func (p *Pipeline) runFilters(c *hook.Call, prefix string) {
	if c.Data.Len() > 0 {
		p.hooks.Run(prefix+"received", c)
	}
	p.hooks.Run(prefix+"send", c)
	p.hooks.Run(prefix+"tick", c)
	if _, answered := c.Reply(); !answered {
		c.Response.Set("server_time", c.Now.Unix())
		c.SendJSON(c.Response)
	}
}

// The headers of the answers of admin-ajax.php, as a live WordPress sends them. They are
// shared and must not be changed; clone one to add a header.
var (
	htmlHeader = ajaxHeader("text/html; charset=UTF-8")
	// JSONHeader is that of a tick.
	JSONHeader = ajaxHeader("application/json; charset=UTF-8")
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

// tickSize estimates the bytes of a reply. Most of them are in values that are encoded
// already.
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

// TickOf writes the reply to a call.
func TickOf(c *hook.Call) transport.Tick {
	r, _ := c.Reply()
	if !r.IsJSON {
		return transport.Tick{Status: r.Status, Header: htmlHeader, Body: []byte(r.Text)}
	}
	body, err := wordpress.AppendJSON(make([]byte, 0, tickSize(r.JSON)), r.JSON)
	if err != nil {
		return transport.Tick{Status: http.StatusInternalServerError, Header: htmlHeader, Body: []byte("the answer of a hook cannot be encoded as JSON: " + err.Error())}
	}
	return transport.Tick{Status: r.Status, Header: JSONHeader, Body: body}
}
