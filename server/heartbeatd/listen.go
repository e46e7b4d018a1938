package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server"
)

const (
	// readTimeout is how long a client may take to send a request, and writeTimeout how
	// long it may take from there until it has read the response. Handlers of long requests
	// and of large responses set other deadlines.
	readTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second
	// stopTime is how long requests that wait for WordPress may take when heartbeatd stops,
	// and slowTime how long all others may.
	stopTime = 5 * time.Second
	slowTime = time.Second
)

// listen runs the two listeners until ctx ends.
func (c *serveCmd) listen(ctx context.Context, log *slog.Logger, s *server.Server, b *broker.Broker, demo bool) error {
	defer s.Close()
	public, admin, err := c.listeners(ctx, log)
	if err != nil {
		return err
	}
	if demo && public.Addr().Network() == "tcp" && admin.Addr().Network() == "tcp" {
		log.Info(fmt.Sprintf("no site is configured: open the demo site at http://%s/ in two windows, and the console at http://%s/", public.Addr(), admin.Addr()))
	}
	front, back := newServer(s.Public(), log), newServer(s.Admin(), log)
	front.lot = s.Lot()
	group, ctx := errgroup.WithContext(ctx) // if one listener fails, both end
	group.Go(func() error {
		logStart(ctx, log, s.Readiness, "listen", public.Addr(), "admin", admin.Addr(), "nats", b.ListenAddr())
		return nil
	})
	group.Go(func() error {
		c.reloads.run(ctx, s, demo, log)
		return nil
	})
	group.Go(func() error { return front.serveOn(s.LimitConnections(public, maxPublic())) })
	group.Go(func() error { return back.serveOn(s.LimitConnections(admin, maxAdmin)) })
	group.Go(func() error {
		<-ctx.Done()
		log.Info("stopping", "reason", context.Cause(ctx), "drain time", c.DrainTime)
		tellSystemd(log, daemon.SdNotifyStopping)
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.DrainTime+stopTime)
		defer cancel()
		front.leave()
		back.leave()
		s.Drain(stopping, c.DrainTime)
		stop(stopping, s.WaitForUpstreams, front, back)
		return nil
	})
	return group.Wait()
}

// maxAdmin is the number of connections of the admin listener, and ownFiles how many more
// files heartbeatd needs: for WordPress, NATS and request bodies.
const (
	maxAdmin = 512
	ownFiles = 512
)

// maxPublic returns the number of connections of the public listener: as many as the limit
// of open files allows.
func maxPublic() int { return max(maxFiles()/2, maxFiles()-maxAdmin-ownFiles) }

func newServer(h http.Handler, log *slog.Logger) *httpServer {
	s := &httpServer{ended: make(chan struct{}), fresh: make(map[net.Conn]time.Time)}
	s.Server = &http.Server{
		ConnState:         s.changed,
		Handler:           s.ending(h),
		ReadHeaderTimeout: readTimeout / 2,
		ReadTimeout:       readTimeout, // a WebSocket is hijacked and sets its own
		WriteTimeout:      writeTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s
}

// stop ends the HTTP servers. It waits for requests on which WordPress works, until ctx
// ends, and for slowTime for clients that are still sending a request or reading a
// response. Then it closes their connections.
func stop(ctx context.Context, waitForUpstreams func(context.Context), servers ...*httpServer) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var accepting sync.WaitGroup
	for _, s := range servers {
		accepting.Go(func() { s.acceptNoMore(ctx) })
	}
	accepting.Wait()
	group := new(errgroup.Group)
	for _, s := range servers {
		group.Go(func() error { return s.finish(ctx) })
	}
	waitForUpstreams(ctx)
	late := time.AfterFunc(slowTime, cancel)
	defer late.Stop()
	if group.Wait() == nil {
		return
	}
	for _, s := range servers {
		_ = s.Close()
	}
}
