package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/readiness"
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

// listenAsSystemd takes the place of systemd. The function returns the next state that it is told.
func listenAsSystemd(t *testing.T) (told func() string) {
	t.Helper()
	address := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	t.Setenv("NOTIFY_SOCKET", address.Name)
	return func() string {
		t.Helper()
		b := make([]byte, 1000)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

// TestSystemd checks what systemd is told of a start and of a stop.
func TestSystemd(t *testing.T) {
	told := listenAsSystemd(t)
	secret := testSecret
	p := start(t, serveCmd{SiteID: "default", SiteSecret: &secret})
	if state := told(); state != "READY=1\nSTATUS=ready" {
		t.Errorf("after the start: %q", state)
	}
	p.stop()
	if state := told(); state != "STOPPING=1" {
		t.Errorf("at the stop: %q", state)
	}
}

// TestSystemdWithoutNATS checks that systemd learns why a node is not ready, and does not wait for it
// for long.
func TestSystemdWithoutNATS(t *testing.T) {
	told := listenAsSystemd(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		begun := time.Now()
		go logStart(ctx, slog.New(slog.DiscardHandler), func() readiness.State {
			return readiness.State{Reasons: []problem.Problem{{Text: "NATS is away"}}}
		})
		const status = "STATUS=not ready: NATS is away"
		for time.Since(begun) < startTime {
			time.Sleep(startPoll)
			synctest.Wait()
		}
		for range 4 {
			if state := told(); state != status {
				t.Errorf("systemd is told %q", state)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if state := told(); state != "READY=1\n"+status {
			t.Errorf("after %v systemd is told %q", startTime, state)
		}
	})
}
