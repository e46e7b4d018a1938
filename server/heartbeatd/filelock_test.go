//go:build unix && !aix && !solaris

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// locked opens a file or a folder and takes its lock, as another process would.
func locked(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// TestLockedFolder listens in a folder whose lock another process has: everybody who may read the
// folder may take it. No file is left beside the socket.
func TestLockedFolder(t *testing.T) {
	dir := t.TempDir()
	locked(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	l, err := listenOn(ctx, slog.New(slog.DiscardHandler), "--listen", "unix:"+filepath.Join(dir, "a.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if files, err := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}

// TestLockedSocket listens on a socket whose lock another process keeps.
func TestLockedSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked(t, path+".lock")
	synctest.Test(t, func(t *testing.T) {
		_, err := listenOn(t.Context(), slog.New(slog.DiscardHandler), "--listen", "unix:"+path)
		if err == nil || !strings.Contains(err.Error(), "--listen: another process has had the lock of "+path+".lock for 5s") {
			t.Errorf("%v", err)
		}
		stopped, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, stop)
		if _, err := listenUnix(stopped, path); !errors.Is(err, context.Canceled) {
			t.Errorf("a process that is stopped meanwhile: %v", err)
		}
	})
}
