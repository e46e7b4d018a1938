//go:build !unix

package transport

import "runtime"

// turn lets others have the processor.
type turn struct{}

func (turn) give() { runtime.Gosched() }

// turnPool needs to keep nothing.
type turnPool struct{}

var turns turnPool

func (turnPool) take() turn    { return turn{} }
func (turnPool) giveBack(turn) {}
