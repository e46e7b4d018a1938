// Package hook has the hooks with which code changes the answer to a beat.
//
// Hooks have the names, the priorities and the order that WordPress's have:
// heartbeat_received, heartbeat_send, heartbeat_tick, heartbeat_nopriv_received,
// heartbeat_nopriv_send, heartbeat_nopriv_tick, wp_refresh_nonces,
// check_ajax_referer, wp_ajax_{action} and wp_ajax_nopriv_{action}.
//
// A beat that carries a handle is answered here only if the handle is native: see
// [Hooks.AddNative]. PHP answers every other beat.
package hook

import (
	"cmp"
	"slices"
)

// Hook is code that runs for a request. It may change the call's Response, as a
// WordPress filter returns its first argument.
type Hook func(*Call)

// Hooks has hooks by name. Add hooks before the server starts; afterwards Hooks must not
// change. The zero value is ready to use.
type Hooks struct {
	byName map[string][]prioritised
	native []string
}

type prioritised struct {
	priority int
	hook     Hook
}

// Add adds a hook. Lower priorities run first, equal ones in the order in which they
// were added. WordPress's default is 10, and core's own wp_ajax_heartbeat is at 1.
func (h *Hooks) Add(name string, priority int, hook Hook) {
	if h.byName == nil {
		h.byName = make(map[string][]prioritised)
	}
	list := append(h.byName[name], prioritised{priority, hook})
	slices.SortStableFunc(list, func(a, b prioritised) int { return cmp.Compare(a.priority, b.priority) })
	h.byName[name] = list
}

// AddNative registers a handle that heartbeatd answers without PHP. The hook runs on
// heartbeat_received, at priority 10, for each beat that carries the handle, and puts
// the answer into the call's Response. A site's beats get that answer if the site's
// tickets list the handle among their native handles. hook may be nil if the tick has no
// answer to the handle. Call AddNative once for each handle.
func (h *Hooks) AddNative(handle string, hook Hook) {
	if !h.IsNative(handle) {
		h.native = append(h.native, handle)
	}
	if hook == nil {
		return
	}
	h.Add("heartbeat_received", 10, func(c *Call) {
		if c.Data.Has(handle) {
			hook(c)
		}
	})
}

// IsNative reports whether a handle is native.
func (h *Hooks) IsNative(handle string) bool { return slices.Contains(h.native, handle) }

// NativeHandles returns the native handles, in the order in which they were added.
func (h *Hooks) NativeHandles() []string { return slices.Clone(h.native) }

// Clone returns a copy to which hooks can be added.
func (h *Hooks) Clone() Hooks {
	c := Hooks{byName: make(map[string][]prioritised, len(h.byName)), native: slices.Clone(h.native)}
	for name, list := range h.byName {
		c.byName[name] = slices.Clone(list)
	}
	return c
}

// Has reports whether a name has hooks.
func (h *Hooks) Has(name string) bool { return len(h.byName[name]) > 0 }

// Run runs the hooks of a name, in order, until one has called Die or SendJSON.
func (h *Hooks) Run(name string, c *Call) {
	c.hooks = h
	for _, p := range h.byName[name] {
		if c.replied {
			return
		}
		p.hook(c)
	}
}
