//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is another server of the same kind, from peers/, and the messages of its clients.
type peer struct {
	name       string
	node       bool   // it is in node.mjs
	path       string // of its WebSocket
	hello      string // with %[1]d for the user and %[2]d for the room; empty: none
	welcome    string // the beginning of the answer to hello
	call       string // a message that is sent back, with %s for a JSON string
	ping, pong string
}

var peers = []peer{
	{
		name: "centrifuge", path: "/socket",
		hello: `{"id":1,"connect":{"data":{"user":"%[1]d","room":"%[2]d"}}}`, welcome: `{"id":1,"connect":`,
		call: `{"id":2,"rpc":{"method":"beat","data":%s}}`, ping: `{}`, pong: `{}`,
	},
	{
		name: "socket.io", node: true, path: "/socket.io/?EIO=4&transport=websocket",
		hello: `40{"user":%[1]d,"room":"%[2]d"}`, welcome: `40{`,
		call: `421["beat",%s]`, ping: `2`, pong: `3`,
	},
	{name: "ws", node: true, path: "/socket", call: `%s`},
}

// withPeers returns the workloads that peers support.
func withPeers(all []workload) (some []workload) {
	for _, w := range all {
		if w.peer != nil {
			some = append(some, w)
		}
	}
	return some
}

// preparePeers installs the packages of the peers and builds the one in Go.
func (b *bench) preparePeers() error {
	where, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/heartbeatd/heartbeatd/integration/load").Output()
	if err != nil {
		return fmt.Errorf("finding the peers: %w", err)
	}
	b.peersDir = filepath.Join(strings.TrimSpace(string(where)), "peers")
	for _, args := range [][]string{{"npm", "ci", "--no-audit", "--no-fund"}, {"go", "build", "-o", b.centrifuge(), "."}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = b.peersDir, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s for the peers: %w", args[0], err)
		}
	}
	return nil
}

func (b *bench) centrifuge() string { return filepath.Join(filepath.Dir(b.binary), "centrifuge") }

func (b *bench) peer(pr peer) (*process, error) {
	cmd := exec.Command(b.centrifuge())
	if pr.node {
		cmd = exec.Command("node", filepath.Join(b.peersDir, "node.mjs"), pr.name)
	}
	return start(cmd, b.core)
}

// client is a client of a peer.
type client struct {
	socket
	onMessage func(b []byte) // called for messages after the welcome
}

// openPeer opens the nth connection of a workload to a peer.
func (l *loop) openPeer(n int, to netip.AddrPort, pr peer, room int, c *client, done func()) {
	greeted := func() {
		c.onText = func(b []byte) {
			for line := range bytes.SplitSeq(b, []byte{'\n'}) { // centrifuge joins messages
				if pr.ping != "" && string(line) == pr.ping {
					c.text([]byte(pr.pong))
				} else {
					c.onMessage(line)
				}
			}
		}
		done()
	}
	c.opened = func() {
		if pr.hello == "" {
			greeted()
			return
		}
		c.text(fmt.Appendf(nil, pr.hello, n+1, room))
	}
	c.onText = func(b []byte) {
		if bytes.HasPrefix(b, []byte(pr.welcome)) {
			greeted()
		}
	}
	l.openSocket(n, to, pr.path, "", &c.socket)
}

// peerBeat measures RPCs of a peer with the body of a beat.
func (b *bench) peerBeat(pr peer) ([]figure, error) {
	var c cost
	who, err := editor(1, 1)
	if err != nil {
		return nil, err
	}
	call := fmt.Appendf(nil, pr.call, strconv.Quote(who.body))
	p, err := b.peer(pr)
	err = with(p, err, func(p *process, l *loop) error {
		beaters := make([]beater, b.once())
		err := l.openAll(len(beaters), func(i int, done func()) {
			c := new(client)
			l.openPeer(i, p.addrs[0], pr, i, c, done)
			beaters[i] = func(done func()) {
				c.onMessage = func(b []byte) {
					if !bytes.Contains(b, []byte(who.body)) {
						l.fail(fmt.Errorf("no answer: %s", b))
					}
					done()
				}
				c.text(call)
			}
		})
		if err != nil {
			return err
		}
		c, err = b.warm(p, l, beaters)
		return err
	})
	return []figure{{row: "beat-websocket", ours: c.seconds(0)}}, err
}

// peerIdle measures idle clients of a peer.
func (b *bench) peerIdle(pr peer) (figures []figure, err error) {
	p, err := b.peer(pr)
	err = with(p, err, func(p *process, l *loop) error {
		each, share, err := b.idleCost("idle", p, l, func() error {
			return l.openAll(b.pages, func(i int, done func()) {
				l.openPeer(i, p.addrs[0], pr, i/together, &client{onMessage: func([]byte) {}}, done)
			})
		})
		figures = []figure{{row: "idle-memory", ours: each}, {row: "idle-cpu", ours: share * 100}}
		return err
	})
	return figures, err
}

// peerPush measures messages to a large room of a peer.
func (b *bench) peerPush(pr peer) ([]figure, error) {
	var c pushCost
	p, err := b.peer(pr)
	err = with(p, err, func(p *process, l *loop) error {
		a := &audience{loop: l, size: b.hearers}
		err := l.openAll(b.hearers, func(i int, done func()) {
			deliver := a.receiver()
			l.openPeer(i, p.addrs[0], pr, 1, &client{onMessage: func(b []byte) {
				if bytes.Contains(b, []byte(pushedMark)) {
					deliver()
				}
			}}, done)
		})
		if err != nil {
			return err
		}
		if err := a.openAPI(p.addrs[0], appendRequest(nil, "POST", "/push", p.addrs[0], jsonType, pushed)); err != nil {
			return err
		}
		c, err = b.pushAll(p, a)
		return err
	})
	return c.figures(pushCost{}), err
}
