package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// Call is one request to admin-ajax on its way through the hooks. A hook reads
// it and changes Response, as a WordPress filter returns its first argument.
type Call struct {
	User   *User // nil: logged out
	Action string
	Post   *wordpress.Array // what $_POST would hold
	Query  *wordpress.Array // what $_GET would hold

	Data     *wordpress.Array // the beat's handles
	Screen   string           // the sanitised screen_id
	Focus    bool
	Now      time.Time
	Response *wordpress.Array

	// Referer is what check_ajax_referer is told: the nonce's action, and 1,
	// 2 or 0 for how it was verified.
	Referer struct {
		Action string
		Result int
	}

	issuer issuer       // who can verify nonces; see pipeline.go
	hooks  *Hooks       // for hooks that fire hooks
	site   *site        //
	page   *session     // nil: the beat came as a POST of its own
	conn   string       // whose entries a POST writes: a page's connection id, or postConn
	linked bool         // a POST from a page whose link writes them
	away   *session     // the session of a page that posts because its link is gone
	posts  []activePost // read before the hooks: whether they can be told decides who answers
	reply  *reply       // set by whoever answers, to &answer; later hooks no longer run
	answer reply
}

// Hook is code run for a request.
type Hook func(*Call)

// Hooks holds hooks under WordPress's names: heartbeat_received,
// heartbeat_send, heartbeat_tick, heartbeat_nopriv_received,
// heartbeat_nopriv_send, heartbeat_nopriv_tick, wp_refresh_nonces,
// check_ajax_referer, wp_ajax_{action} and wp_ajax_nopriv_{action}. It is
// filled before the server starts and only read after.
type Hooks struct {
	byName map[string][]prioritised
}

type prioritised struct {
	priority int
	hook     Hook
}

// Add hangs a hook on name. Lower priorities run first, equal ones in the
// order they were added; WordPress's default is 10, and core's own
// wp_ajax_heartbeat is at 1.
func (h *Hooks) Add(name string, priority int, hook Hook) {
	if h.byName == nil {
		h.byName = make(map[string][]prioritised)
	}
	list := append(h.byName[name], prioritised{priority, hook})
	slices.SortStableFunc(list, func(a, b prioritised) int { return cmp.Compare(a.priority, b.priority) })
	h.byName[name] = list
}

func (h Hooks) clone() Hooks {
	c := Hooks{byName: make(map[string][]prioritised, len(h.byName))}
	for name, list := range h.byName {
		c.byName[name] = slices.Clone(list)
	}
	return c
}

// Has says whether anything hangs on name.
func (h *Hooks) Has(name string) bool { return len(h.byName[name]) > 0 }

// run runs what hangs on name, until one of them has answered.
func (h *Hooks) run(name string, c *Call) {
	for _, p := range h.byName[name] {
		if c.reply != nil {
			return
		}
		p.hook(c)
	}
}

// CheckReferer verifies the nonce of an admin-ajax request, which stands in
// field, _ajax_nonce or _wpnonce, for action, as check_ajax_referer() does: it
// fires the hook of that name, and a bad nonce is answered with -1 and 403.
func (c *Call) CheckReferer(action, field string) (ok bool) {
	nonce := ""
	for _, name := range []string{field, "_ajax_nonce", "_wpnonce"} {
		if c.Post.Has(name) || c.Query.Has(name) {
			nonce = c.request(name)
			break
		}
	}
	c.Referer.Action, c.Referer.Result = action, c.issuer.verifyNonce(c, nonce, action)
	c.hooks.run("check_ajax_referer", c)
	if c.Referer.Result == 0 && c.reply == nil {
		c.Die(403, "-1")
	}
	return c.Referer.Result != 0
}

// watch returns the live view of the call's site. Only a beat by POST waits for
// the first snapshot: one of a page holds its session's lock, and the page waited
// when it came.
func (c *Call) watch() (*broker.View, error) {
	if c.page != nil {
		return c.site.open()
	}
	return c.site.watch(context.Background())
}

// request reads $_REQUEST: the form before the query.
func (c *Call) request(name string) string {
	if c.Post.Has(name) {
		return c.Post.String(name)
	}
	return c.Query.String(name)
}

// Die answers with text, as wp_die() does in admin-ajax.
func (c *Call) Die(status int, text string) {
	c.answer = reply{status: status, text: text}
	c.reply = &c.answer
}

// SendJSON answers with v, as wp_send_json() does.
func (c *Call) SendJSON(v any) {
	c.answer = reply{status: 200, json: v, isJSON: true}
	c.reply = &c.answer
}
