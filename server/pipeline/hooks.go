package pipeline

import (
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// addPresence adds heartbeatd's own hooks. The last two handles ask for nonces. They get no
// answer while the page's own nonce is in the first half of its lifetime, and heartbeatd
// answers only beats with such a nonce.
func addPresence(h *hook.Hooks) {
	h.Add("heartbeat_received", 10, answerDeposits)
	h.Add("heartbeat_received", 10, Ping)
	h.AddNative("presence-ping", answerOnline)
	h.AddNative("presence-editor-ping", nil) // Ping enters the room
	h.AddNative(ActiveHandle, answerActivePosts)
	h.AddNative("wp-refresh-post-nonces", nil)
	h.AddNative("wp-refresh-metabox-loader-nonces", nil)
	h.Add("heartbeat_send", 10, authCheck(true))
	h.Add("heartbeat_nopriv_send", 10, authCheck(false))
}

// answerDeposits answers handles with the values that a back end has deposited.
func answerDeposits(c *hook.Call) {
	for _, d := range c.Deposits {
		c.Response.Set(d.Handle, d.Value)
	}
}

// authCheck adds to the tick whether somebody is logged in.
func authCheck(in bool) hook.Hook {
	return func(c *hook.Call) { c.Response.Set("wp-auth-check", in) }
}

// Ping writes the entries that a beat's presence handles ask for.
func Ping(c *hook.Call) {
	if p := c.Data.Array("presence-ping"); p.Len() > 0 && c.User.EditPosts {
		enter(c, wordpress.AdminRoom, "user-", pingData(c, p))
	}
	pingEditor(c)
	pingLock(c)
}
