//go:build !linux

package main

import "syscall"

// limitSendQueue does nothing: the system bounds what it keeps for a client, and the
// write deadlines how long.
func limitSendQueue(_, _ string, _ syscall.RawConn) error { return nil }
