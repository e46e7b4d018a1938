//go:build !unix

package transport

import "runtime"

// yielder lets other goroutines run.
type yielder struct{}

func (yielder) yield() { runtime.Gosched() }

// yielderPool has nothing to keep.
type yielderPool struct{}

var yielders yielderPool

func (yielderPool) get() yielder { return yielder{} }
func (yielderPool) put(yielder)  {}
