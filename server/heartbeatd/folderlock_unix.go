//go:build unix

package main

import (
	"os"
	"syscall"
)

// lockFolder waits until no other process has the lock of a folder, and takes it. A process that
// ends has no lock any more.
func lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		_ = folder.Close()
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return func() { _ = folder.Close() }, nil
}
