package broker

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/embedded"
)

func TestListen(t *testing.T) {
	t.Parallel()
	if addr := openAsIs(t, Config{}).ListenAddr(); addr != "" {
		t.Errorf("listens on %s without a listen address", addr)
	}
	b := open(t, Config{Listen: "127.0.0.1:0", Observers: []Login{{User: "observer", Password: "secret"}}})
	addr := b.ListenAddr()
	if host, port, err := net.SplitHostPort(addr); err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("listens on %q", addr)
	}
	for _, who := range []string{"", "observer:wrong@", "observer@", "nobody:secret@", embedded.OwnUser + ":@"} {
		if nc, err := nats.Connect("nats://" + who + addr); err == nil {
			nc.Close()
			t.Errorf("connected as %q", who)
		}
	}
	connect(t, "nats://observer:secret@"+addr)
	open(t, Config{Listen: "0.0.0.0:0", Observers: []Login{{User: "observer", Password: "secret"}}})
	_, err := Open(t.Context(), Config{Listen: addr})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
}

func TestListenWithoutPassword(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "nats.example.com:4222", "127.0.0.1", "127.0.0.1:x"} {
		t.Run(listen, func(t *testing.T) {
			if b, err := Open(t.Context(), Config{Listen: listen}); err == nil {
				t.Error("opened without a password, or with an invalid address")
				b.Close()
			}
		})
	}
}

func TestEmbeddedLeavesNoFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	b, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left behind in %s: %v", os.TempDir(), left)
	}
}
