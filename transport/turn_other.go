//go:build !unix

package transport

import "runtime"

// turn lets others have the processor.
type turn struct{}

func takeTurn() turn   { return turn{} }
func (turn) give()     { runtime.Gosched() }
func (turn) giveBack() {}
