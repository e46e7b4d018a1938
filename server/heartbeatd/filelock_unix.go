//go:build unix && !aix && !solaris

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// lockWait is how long lockFile waits for the lock of another process.
	lockWait = 5 * time.Second
	// lockRetry is the time between two tries to get it.
	lockRetry = 20 * time.Millisecond
)

// lockFile takes the lock of a file, which it creates. It waits while another process has the lock, at
// most for lockWait. unlock removes the file. A process that ends has no lock any more.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	late := fmt.Errorf("another process has had the lock of %s for %s: end that process", path, lockWait)
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, late)
	defer cancel()
	for {
		unlock, err := tryLock(path)
		if unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(lockRetry):
		}
	}
}

// tryLock takes the lock, or returns nil if another process has it.
func tryLock(path string) (unlock func(), err error) {
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && isAt(lock, path) {
		return func() { _, _ = os.Remove(path), lock.Close() }, nil
	}
	_ = lock.Close()
	if err == nil || errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, &os.PathError{Op: "lock", Path: path, Err: err}
}

// isAt reports whether a file is still the one at a path: the process that had its lock before may
// have removed it.
func isAt(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	now, err := os.Lstat(path)
	return err == nil && os.SameFile(opened, now)
}
