package server

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestHookOrder checks which hooks run for each kind of request, and in which order.
func TestHookOrder(t *testing.T) {
	var ran []string
	names := []string{
		"heartbeat_received", "heartbeat_send", "heartbeat_tick", "wp_refresh_nonces",
		"heartbeat_nopriv_received", "heartbeat_nopriv_send", "heartbeat_nopriv_tick",
	}
	p := newNode(t, func(c *Config) {
		for _, name := range names {
			for _, priority := range []int{20, 5, 10, 10} {
				label := fmt.Sprintf("%s@%d.%d", name, priority, len(ran))
				ran = append(ran, label)
				c.Hooks.Add(name, priority, func(c *hook.Call) { ran = append(ran, label) })
			}
		}
		ran = nil
		c.Hooks.Add("wp_ajax_heartbeat", 0, func(c *hook.Call) { ran = append(ran, "wp_ajax_heartbeat@0") })
		c.Hooks.Add("wp_ajax_heartbeat", 10, func(c *hook.Call) { t.Error("a hook ran after core had answered") })
	}).page(t, 1)

	stages := func(body string) []string {
		ran = nil
		p.ajax(t, body)
		for i := range ran {
			ran[i], _, _ = strings.Cut(ran[i], ".")
		}
		return ran
	}
	four := func(name string) []string { return []string{name + "@5", name + "@10", name + "@10", name + "@20"} }
	first := []string{"wp_ajax_heartbeat@0"}
	for what, want := range map[string][]string{
		p.form("data[x]=1"): slices.Concat(first, four("heartbeat_received"), four("heartbeat_send"), four("heartbeat_tick")),
		p.form():            slices.Concat(first, four("heartbeat_send"), four("heartbeat_tick")),
		"action=heartbeat":  first,
		"action=heartbeat&_nonce=0123456789&data[x]=1": slices.Concat(first, four("wp_refresh_nonces")),
	} {
		if got := stages(what); !slices.Equal(got, want) {
			t.Errorf("%s\nran  %v\nwant %v", what, got, want)
		}
	}
	p.http.Jar = nil // logged out
	want := slices.Concat(four("heartbeat_nopriv_received"), four("heartbeat_nopriv_send"), four("heartbeat_nopriv_tick"))
	if got := stages(p.form("data[x]=1")); !slices.Equal(got, want) {
		t.Errorf("logged out\nran  %v\nwant %v", got, want)
	}
}

// TestHooksChangeTheTick checks that hooks can change the tick as WordPress's filters do.
func TestHooksChangeTheTick(t *testing.T) {
	p := newNode(t, func(c *Config) {
		c.Hooks.Add("heartbeat_received", 11, func(c *hook.Call) {
			c.Response.Set("answer", c.Data.Array("question").String("a[b")+"/"+c.Screen)
		})
		c.Hooks.Add("heartbeat_send", 9, func(c *hook.Call) { c.Response.Set("sent", c.User.ID) })
		c.Hooks.Add("heartbeat_tick", 10, func(c *hook.Call) { c.Response.Delete("wp-auth-check") })
	}).page(t, 2)
	got := times.ReplaceAllString(text(p.ajax(t, p.form("data[question][a%5Bb]=yes"))), "TIME")
	if want := `{"answer":"yes\/dashboard","sent":2,TIME}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestAjaxRouting checks actions other than heartbeat.
func TestAjaxRouting(t *testing.T) {
	p := newNode(t, func(c *Config) {
		c.Hooks.Add("wp_ajax_mine", 10, func(c *hook.Call) { c.Die(http.StatusTeapot, "short "+c.Query.String("x")) })
		c.Hooks.Add("wp_ajax_mine", 11, func(c *hook.Call) { t.Error("a hook ran after the request was answered") })
		c.Hooks.Add("wp_ajax_silent", 10, func(c *hook.Call) {})
		c.Hooks.Add("wp_ajax_nopriv_theirs", 10, func(c *hook.Call) { c.SendJSON([]string{"visitor"}) })
	}).page(t, 1)
	check := func(what string, r *http.Response, status int, body string) {
		t.Helper()
		if b := text(r); r.StatusCode != status || b != body {
			t.Errorf("%s: %d %s, want %d %s", what, r.StatusCode, b, status, body)
		}
	}
	check("an action of a hook", p.ajax(t, "action=mine"), http.StatusTeapot, "short ")
	check("hooks that do not answer", p.ajax(t, "action=silent"), http.StatusOK, "0")
	check("an action for visitors only", p.ajax(t, "action=theirs"), http.StatusBadRequest, "0")
	r, _ := http.NewRequestWithContext(t.Context(), "GET", p.node.url+wordpress.AjaxPath+"?action=mine&x=y", nil)
	check("a GET", p.do(t, r), http.StatusTeapot, "short y")
	p.http.Jar = nil
	check("an action for users only", p.ajax(t, "action=mine"), http.StatusBadRequest, "0")
	check("an action for visitors", p.ajax(t, "action=theirs"), http.StatusOK, `["visitor"]`)
}

// TestCheckReferer checks CheckReferer with nonces of other actions, and its hook.
func TestCheckReferer(t *testing.T) {
	var checked []string
	n := newNode(t, func(c *Config) {
		c.Hooks.Add("check_ajax_referer", 10, func(c *hook.Call) {
			checked = append(checked, fmt.Sprintf("%s %d", c.Referer.Action, c.Referer.Result))
		})
		c.Hooks.Add("wp_ajax_delete", 10, func(c *hook.Call) {
			if c.CheckReferer("delete-it", "security") {
				c.SendJSON(wordpress.NewArray())
			}
		})
	})
	p := n.page(t, 1)
	nonce := n.demo.LoginOf(1).Nonce("delete-it", time.Now())
	for body, want := range map[string]string{
		"action=delete&security=" + nonce:                        "200 [] delete-it 1",
		"action=delete&_ajax_nonce=" + nonce:                     "200 [] delete-it 1",
		"action=delete&_wpnonce=" + nonce:                        "200 [] delete-it 1",
		"action=delete&_wpnonce=0123456789&_ajax_nonce=" + nonce: "200 [] delete-it 1",
		"action=delete&security=0123456789&_ajax_nonce=" + nonce: "403 -1 delete-it 0",
		"action=delete":                     "403 -1 delete-it 0",
		"action=delete&security=" + p.nonce: "403 -1 delete-it 0",
	} {
		t.Run(body, func(t *testing.T) {
			checked = nil
			r := p.ajax(t, body)
			if got := fmt.Sprintf("%d %s %s", r.StatusCode, text(r), strings.Join(checked, ",")); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}
