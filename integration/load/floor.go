//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/coder/websocket"
)

// floorEnv makes this program one of the floors: a minimal server of the same kind, in a
// process of its own like heartbeatd.
const floorEnv = "HEARTBEATD_LOAD_FLOOR"

// runFloor runs a floor until it is killed.
func runFloor(kind string) error {
	if kind == memoryKind {
		return runMemoryTask()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready", l.Addr())
	switch kind {
	case "tcp":
		return serveTCP(l)
	case "websocket":
		return http.Serve(l, http.HandlerFunc(echoSocket))
	case "post":
		return http.Serve(l, http.HandlerFunc(echoPost))
	case "broadcast":
		return http.Serve(l, new(broadcast))
	}
	return errors.New("unknown floor " + kind)
}

// serveTCP echoes bytes, with one goroutine for each connection.
func serveTCP(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			b := make([]byte, 512)
			for {
				n, err := c.Read(b)
				if err != nil {
					return
				}
				if _, err := c.Write(b[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	return websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
}

// echoSocket answers every message with itself.
func echoSocket(w http.ResponseWriter, r *http.Request) {
	c, err := accept(w, r)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	ctx := context.Background()
	for {
		kind, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, kind, b); err != nil {
			return
		}
	}
}

// echoPost answers every body with itself.
func echoPost(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, _ = w.Write(b)
}

// broadcast writes each message to /publish to every other socket, one after another.
type broadcast struct {
	mu  sync.Mutex // guards the following field
	all []*websocket.Conn
}

func (s *broadcast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := accept(w, r)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	ctx := context.Background()
	if r.URL.Path != "/publish" {
		s.mu.Lock()
		s.all = append(s.all, c)
		err := c.Write(ctx, websocket.MessageText, []byte("welcome"))
		s.mu.Unlock()
		if err == nil {
			_, _, _ = c.Read(ctx) // until it closes
		}
		return
	}
	for {
		kind, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		s.mu.Lock()
		for _, to := range s.all {
			if err := to.Write(ctx, kind, b); err != nil {
				s.mu.Unlock()
				return
			}
		}
		s.mu.Unlock()
	}
}
