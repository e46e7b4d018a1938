package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/limit"
)

// TestStartWithoutNATS checks what heartbeatd says when NATS is not there at the start.
func TestStartWithoutNATS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := serveCmd{
		NatsURL: "nats://user:hidden@" + address, Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		BasePath: "/heartbeat", PresenceTTL: time.Minute, LimitFlags: LimitFlags(limit.Defaults),
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, slog.New(slog.NewTextHandler(write, nil)))
		_ = write.Close()
	}()
	warnings, admin, nats := 0, "", (*broker.Broker)(nil)
	for lines := bufio.NewScanner(read); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, "hidden") {
			t.Errorf("the password is in the log: %s", line)
		}
		switch m := regexp.MustCompile(`admin=(\S+)`).FindStringSubmatch(line); {
		case strings.Contains(line, "msg=ready") && warnings < 2:
			t.Error("ready, although NATS is away")
			cancel()
		case strings.Contains(line, "msg=ready"):
			if status, body := get(t, "http://"+admin+"/readyz"); status != 200 || body != `{"ready":true,"reasons":[]}`+"\n" {
				t.Errorf("readyz: %d %s", status, body)
			}
			cancel()
		case strings.Contains(line, "not ready") && strings.Contains(line, "NATS at "+address+" is away"):
			if warnings++; warnings < 2 {
				continue
			}
			admin = m[1]
			if status, body := get(t, "http://"+admin+"/readyz"); status != 503 || !strings.Contains(body, `"name":"starting"`) || !strings.Contains(body, `"name":"nats"`) {
				t.Errorf("readyz: %d %s", status, body)
			}
			if nats, err = broker.Open(t.Context(), broker.Config{Listen: address}); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel()
	if err := <-ended; err != nil || warnings < 2 {
		t.Errorf("%d warnings, and heartbeatd ended with %v", warnings, err)
	}
	if nats != nil {
		_ = nats.Close()
	}
}
