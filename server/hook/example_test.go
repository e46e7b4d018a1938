package hook_test

import (
	"fmt"
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// A beat that carries the handle is answered without PHP, if the site's tickets list the
// handle as native.
func ExampleHooks_AddNative() {
	var hooks hook.Hooks
	hooks.AddNative("stock-level", func(c *hook.Call) {
		product := c.Data.Array("stock-level").String("product")
		answer := wordpress.NewArray()
		answer.Set("product", product)
		answer.Set("left", 3)
		c.Response.Set("stock-level", answer)
	})

	asked := wordpress.ParseForm([]byte("data[stock-level][product]=blue-shirt"))
	call := &hook.Call{Data: asked.Array("data"), Response: wordpress.NewArray()}
	hooks.Run("heartbeat_received", call)
	tick, err := wordpress.AppendJSON(nil, call.Response)
	fmt.Println(string(tick), err)
	// Output: {"stock-level":{"product":"blue-shirt","left":3}} <nil>
}

// A hook on heartbeat_send changes every tick.
func ExampleHooks_Add() {
	var hooks hook.Hooks
	hooks.Add("heartbeat_send", 10, func(c *hook.Call) {
		c.Response.Set("maintenance", c.Screen == "plugins")
	})

	call := &hook.Call{Screen: "plugins", Response: wordpress.NewArray()}
	hooks.Run("heartbeat_send", call)
	fmt.Println(call.Response.Get("maintenance"))
	// Output: true
}

// Hooks on wp_ajax_{action} answer other actions than heartbeat.
func ExampleCall_CheckReferer() {
	var hooks hook.Hooks
	hooks.Add("wp_ajax_archive", 10, func(c *hook.Call) {
		if c.CheckReferer("archive", "nonce") {
			c.SendJSON([]string{"archived"})
		}
	})

	call := &hook.Call{Post: wordpress.ParseForm([]byte("action=archive&nonce=0123456789")), Nonces: noNonces{}}
	hooks.Run("wp_ajax_archive", call)
	reply, ok := call.Reply()
	fmt.Println(ok, reply.Status == http.StatusForbidden, reply.Text)
	// Output: true true -1
}
