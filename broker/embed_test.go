package broker

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestListen(t *testing.T) {
	t.Parallel()
	if addr := open(t, Config{}).ListenAddr(); addr != "" {
		t.Errorf("listens on %s unasked", addr)
	}
	b := open(t, Config{Listen: "127.0.0.1:0", Observers: []Login{{User: "observer", Password: "secret"}}})
	addr := b.ListenAddr()
	if host, port, err := net.SplitHostPort(addr); err != nil || host != "127.0.0.1" || port == "0" {
		t.Errorf("listens on %q", addr)
	}
	for _, who := range []string{"", "observer:wrong@", "observer@", "nobody:secret@", ownUser + ":@"} {
		if nc, err := nats.Connect("nats://" + who + addr); err == nil {
			nc.Close()
			t.Errorf("connected as %q", who)
		}
	}
	connect(t, "nats://observer:secret@"+addr)
	open(t, Config{Listen: "0.0.0.0:0", Observers: []Login{{User: "observer", Password: "secret"}}})
	_, err := Open(t.Context(), Config{Listen: addr})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a taken port: %v", err)
	}
}

func TestListenRefusesOpenDoors(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "nats.example.com:4222", "127.0.0.1", "127.0.0.1:x"} {
		if b, err := Open(t.Context(), Config{Listen: listen}); err == nil {
			t.Errorf("%s was opened without a password", listen)
			b.Close()
		}
	}
	for _, listen := range []string{"127.0.0.1:0", "localhost:0", "[::1]:0"} {
		if !isLoopback(first(net.SplitHostPort(listen))) {
			t.Errorf("%s is loopback", listen)
		}
	}
}

func first(host, _ string, _ error) string { return host }

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
