//go:build unix && !aix && !solaris

package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestDeadStoreDirsAreRemoved checks which folders in the temporary folder are removed when a
// server is started.
func TestDeadStoreDirsAreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	start := func() *Server {
		t.Helper()
		s, err := Start("", "", nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	running := start()
	old := time.Now().Add(-2 * minLockAge)
	age := func(dir string) {
		t.Helper()
		if err := os.Chtimes(filepath.Join(dir, lockName), old, old); err != nil {
			t.Fatal(err)
		}
	}
	age(running.dir)
	dirs := map[string]bool{running.dir: true} // whether they stay
	folder := func(name string, stays bool) string {
		t.Helper()
		dir := filepath.Join(os.TempDir(), name)
		if err := os.MkdirAll(filepath.Join(dir, "jetstream"), 0o700); err != nil {
			t.Fatal(err)
		}
		dirs[dir] = stays
		return dir
	}
	locked := func(name string, stays bool) string {
		t.Helper()
		dir := folder(name, stays)
		lock, err := lockStoreDir(dir)
		if err == nil {
			err = lock.Close() // as the end of the process does
		}
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	age(locked(storePrefix+"dead", false))
	age(locked("another-program", true))
	locked(storePrefix+"starting", true)
	folder(storePrefix+"without-a-lock", true)
	link := folder(storePrefix+"with-a-link", true)
	target := filepath.Join(locked("target", true), lockName)
	age(filepath.Dir(target))
	if err := os.Symlink(target, filepath.Join(link, lockName)); err != nil {
		t.Fatal(err)
	}

	start()
	for dir, stays := range dirs {
		if _, err := os.Stat(dir); (err == nil) != stays {
			t.Errorf("%s is there: %v, want %v", filepath.Base(dir), err == nil, stays)
		}
	}
	if !running.Running() {
		t.Error("the running server has ended")
	}
}
