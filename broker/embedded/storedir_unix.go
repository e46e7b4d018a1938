//go:build unix && !aix && !solaris

package embedded

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockName is the name of the file in the folder of an embedded NATS server that is locked
// as long as its process lives.
const lockName = "lock"

// minLockAge is the age below which a lock file is ignored: its process may not have locked
// it yet.
const minLockAge = time.Minute

// lockStoreDir locks the lock file of a folder, and creates it if it is missing. The lock ends with the process,
// also if the process is killed.
func lockStoreDir(dir string) (lock *os.File, err error) {
	lock, err = os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// removeDeadStoreDirs removes the folders of processes that were killed.
func removeDeadStoreDirs(log *slog.Logger) {
	entries, _ := os.ReadDir(os.TempDir()) // without a list there is nothing to remove
	for _, e := range entries {
		dir := filepath.Join(os.TempDir(), e.Name())
		if strings.HasPrefix(e.Name(), storePrefix) && isDead(dir) {
			err := os.RemoveAll(dir)
			log.Info("removed the NATS folder of a process that was killed", "folder", dir, "error", err)
		}
	}
}

// isDead reports whether a folder is one of this user's whose process has ended. Other users
// may create folders and links in the temporary folder.
func isDead(dir string) bool {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer func() { _ = lock.Close() }()
	info, err := lock.Stat()
	if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < minLockAge {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
