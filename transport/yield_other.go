//go:build !unix

package transport

import "runtime"

// yielder lets other goroutines run.
type yielder struct{}

func (yielder) yield() { runtime.Gosched() }

// yielderPool is empty: a yielder has no resources.
type yielderPool struct{}

var yielders yielderPool

func (yielderPool) get() yielder { return yielder{} }
func (yielderPool) put(yielder)  {}
