package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLogIsLimited logs one message very often, as a client can cause it.
func TestLogIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := limitLog(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 10_000 {
			log.With("a", 1).Warn(fmt.Sprintf("nats-server: client %d does what it may not", i))
		}
		log.Warn("another message")
		if lines := strings.Count(out.String(), "\n"); lines != logBurst+1 {
			t.Errorf("%d lines", lines)
		}
		for range 2 * logBurst {
			log.Warn("http: TLS handshake error")
		}
		out.Reset()
		for range 2 * logBurst {
			log.Warn("http: panic serving 192.0.2.7:5000: index out of range")
		}
		if lines := strings.Count(out.String(), "\n"); lines != 2*logBurst {
			t.Errorf("%d of %d panics are logged", lines, 2*logBurst)
		}
		out.Reset()
		time.Sleep(logEvery)
		log.WithGroup("g").Warn("nats-server: and again")
		if !strings.Contains(out.String(), fmt.Sprintf(`g.not logged before"=%d`, 10_000-logBurst)) {
			t.Errorf("a minute later: %s", out.String())
		}
		for i := range 10 * maxKinds {
			log.Warn(fmt.Sprintf("kind %d", i))
		}
		if kinds := len(log.Handler().(*logLimit).kinds); kinds > maxKinds+1 {
			t.Errorf("%d kinds are known", kinds)
		}
	})
}
