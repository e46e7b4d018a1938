//go:build !linux

package main

import "syscall"

// maxFiles returns how many files the process may open: the usual limit.
func maxFiles() int { return 10_000 }

// limitSendQueue does nothing: the system bounds what it keeps for a client, and the
// write deadlines how long.
func limitSendQueue(_, _ string, _ syscall.RawConn) error { return nil }
