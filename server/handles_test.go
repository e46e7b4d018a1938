package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// nativeHandles are the handles that package pipeline registers.
var nativeHandles = func() []string {
	var h hook.Hooks
	pipeline.New(&h)
	return h.NativeHandles()
}()

// TestRegisteredHandle checks that a handle that a program has registered is answered, on a
// link and by POST, if the ticket lists it, and that its hook can use the page's presence.
func TestRegisteredHandle(t *testing.T) {
	n := newNode(t, func(c *Config) {
		c.Hooks.AddNative("who-cooks", func(c *hook.Call) {
			c.Presence.Enter(room42, fmt.Sprintf("cook-%d", c.User.ID), []byte(`{}`))
			_, total, err := c.Presence.Room(room42)
			if err != nil {
				t.Error(err)
			}
			c.Response.Set("who-cooks", total)
		})
	})
	const asks = "data[who-cooks]=1"
	p := n.page(t, 2)
	if f := p.socket(t).beat(1, p.form(asks)); f.Type != "tick" || !strings.Contains(f.Body, `"who-cooks":1`) {
		t.Errorf("on a link: %+v", f)
	}
	posting := n.page(t, 1)
	if r := posting.post(t, posting.form(asks)); r.StatusCode != 200 || !strings.Contains(text(r), `"who-cooks":2`) {
		t.Errorf("by POST: %d", r.StatusCode)
	}
	p = n.page(t, 3).withClaims(t, func(c *ticket.Claims) { c.Native = []string{"presence-ping"} })
	if f := p.socket(t).beat(1, p.form(asks)); f.Type != "decline" {
		t.Errorf("with a ticket that does not list it: %+v", f)
	}
}
