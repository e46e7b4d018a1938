package server

import "github.com/heartbeatd/heartbeatd/server/hook"

// nativeHandles are those that this package registers.
var nativeHandles = func() []string {
	var h hook.Hooks
	addPresence(&h)
	return h.NativeHandles()
}()
