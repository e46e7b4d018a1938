//go:build unix

package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/transport"
)

// TestHelloAfterPause stops a node of a cluster, and sends it a hello meanwhile. The node may not take over the
// page's entries then, so it sends the page to another node, and accepts pages again later.
func TestHelloAfterPause(t *testing.T) {
	t.Parallel()
	const pause = 2500 * time.Millisecond // longer than what has no consequences
	p := startProcess(t, "--nats-listen", "127.0.0.1:0", "--site-id", "blog", "--site-secret", oldSecret)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+p.public+"/heartbeat/socket", &websocket.DialOptions{Subprotocols: []string{"heartbeat.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseNow() }()
	if err := p.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, helloOf(t, "blog", oldSecret, 1)); err != nil {
		t.Error(err)
	}
	time.Sleep(pause)
	if err := p.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if code := readUntil(t, conn, "welcome"); code != transport.CodeDraining {
		t.Errorf("the hello is answered with code %d, want %d", code, transport.CodeDraining)
	}
	for {
		later, code := (&configured{process: p}).open(t, "blog", oldSecret, 1)
		if later != nil {
			return
		}
		if code != transport.CodeDraining {
			t.Fatalf("a later hello is answered with code %d", code)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
