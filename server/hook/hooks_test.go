package hook_test

import (
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// noNonces verifies no nonce.
type noNonces struct{}

func (noNonces) VerifyNonce(string, string, time.Time) int { return 0 }

// TestHooksRunInOrder checks that hooks run by priority, then in the order in which they
// were added, until one has answered.
func TestHooksRunInOrder(t *testing.T) {
	var hooks hook.Hooks
	var ran []int
	for _, h := range []struct{ priority, number int }{{10, 3}, {1, 1}, {10, 4}, {5, 2}} {
		hooks.Add("x", h.priority, func(*hook.Call) { ran = append(ran, h.number) })
	}
	hooks.Add("x", 20, func(c *hook.Call) { c.Die(200, "") })
	hooks.Add("x", 21, func(*hook.Call) { t.Error("a hook ran after another had answered") })
	hooks.Run("x", new(hook.Call))
	if !slices.Equal(ran, []int{1, 2, 3, 4}) {
		t.Errorf("the hooks ran in the order %v", ran)
	}
}

// TestCloneIsIndependent checks that hooks and handles added to a copy do not change the
// original.
func TestCloneIsIndependent(t *testing.T) {
	var hooks hook.Hooks
	hooks.AddNative("a", nil)
	hooks.Add("x", 10, func(*hook.Call) {})
	other := hooks.Clone()
	other.AddNative("b", nil)
	other.Add("x", 10, func(*hook.Call) { t.Error("the copy's hook ran") })
	if !other.IsNative("a") || hooks.IsNative("b") {
		t.Errorf("native handles: %v, and %v in the copy", hooks.NativeHandles(), other.NativeHandles())
	}
	hooks.Run("x", new(hook.Call))
}

// TestNativeHookNeedsItsHandle checks that the hook of a native handle runs only for beats
// with that handle.
func TestNativeHookNeedsItsHandle(t *testing.T) {
	var hooks hook.Hooks
	hooks.AddNative("mine", func(c *hook.Call) { c.Response.Set("mine", true) })
	for data, want := range map[string]bool{"data[mine]=1": true, "data[other]=1": false} {
		c := &hook.Call{Data: wordpress.ParseForm([]byte(data)).Array("data"), Response: wordpress.NewArray()}
		if hooks.Run("heartbeat_received", c); c.Response.Has("mine") != want {
			t.Errorf("%s: answered %v, want %v", data, !want, want)
		}
	}
}
