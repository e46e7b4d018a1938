package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/leader"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// freeAddr returns a loopback address that is free now.
func freeAddr(t *testing.T) *net.TCPAddr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr)
}

// startSplitCluster starts a cluster of three servers. All routes of the first server lead
// through the proxy: cut, it has no quorum, and the others do.
func startSplitCluster(t *testing.T) ([]*natsServer, *proxy) {
	t.Helper()
	addrs := []*net.TCPAddr{freeAddr(t), freeAddr(t), freeAddr(t)}
	p := proxyTo(t, addrs[0].String())
	routes := [][]string{{"127.0.0.1:1"}, {p.addr, addrs[2].String()}, {p.addr, addrs[1].String()}}
	advertised := []string{p.addr, "127.0.0.1:1", "127.0.0.1:1"} // port 1: nobody listens
	var servers []*natsServer
	for i, addr := range addrs {
		s := &natsServer{t: t, opts: &server.Options{
			ServerName: fmt.Sprint("server-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			Cluster:   server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: addr.Port, Advertise: advertised[i]},
			JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		}}
		for _, to := range routes[i] {
			s.opts.Routes = append(s.opts.Routes, &url.URL{Scheme: "nats-route", Host: to})
		}
		s.start()
		t.Cleanup(s.stop)
		servers = append(servers, s)
	}
	return servers, p
}

// logLines is a log in memory.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// connectTo makes a node go to a server.
func connectTo(t *testing.T, b *Broker, server string) {
	t.Helper()
	eventually(t, "a connection to "+server, func() bool {
		name := nc(b).ConnectedServerName()
		if name != "" && name != server {
			_ = nc(b).ForceReconnect() // to the next one
		}
		return name == server
	})
}

// TestServerWithoutQuorumIsLeft cuts a node's server off from the others of its cluster.
func TestServerWithoutQuorumIsLeft(t *testing.T) {
	t.Parallel()
	servers, routes := startSplitCluster(t)
	const ttl = 12 * time.Second
	var lines logLines
	b := open(t, Config{URL: servers[0].url() + "," + servers[1].url(), TTL: ttl, Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	other := open(t, Config{URL: servers[1].url(), TTL: ttl})
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(&lines)
		}
	})
	_, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	other.Hold(page("r", "user-2", "a"), at(1, "x"))
	d.wantSet(t, "joined user-1, joined user-2")
	d2.wantSet(t, "joined user-1, joined user-2")
	connectTo(t, b, "server-0")
	waitWritten(t, b)
	routes.cut()
	b.Hold(page("r", "user-3", "a"), at(1, "x"))
	eventually(t, "an entry of the node whose server is cut off", func() bool { return d2.count(presence.Joined, "user-3") == 1 })
	other.Hold(page("r", "user-4", "a"), at(1, "x"))
	eventually(t, "an entry of the other node", func() bool { return d.count(presence.Joined, "user-4") == 1 })
	waitReady(t, b, true)
	if name := nc(b).ConnectedServerName(); name == "server-0" {
		t.Error("still connected to the server without quorum")
	}
	for _, text := range []string{"level=WARN", "level=ERROR", "presence is read"} {
		if n := lines.count(text); n > 3 {
			t.Errorf("%d lines with %q:\n%s", n, text, &lines)
		}
	}
}

// TestReplicaWithoutLeader has a node go to a server that is cut off, and whose replica of the bucket
// answers although it is behind. The node does not take it for a new bucket, in which old revisions would
// replace newer ones.
func TestReplicaWithoutLeader(t *testing.T) {
	t.Parallel()
	servers, routes := startSplitCluster(t)
	b := open(t, Config{URL: servers[0].url() + "," + servers[1].url()})
	_, d := watch(t, b, "site")
	b.Hold(page("r", "user-1", "a"), at(1, "x"))
	waitWritten(t, b)
	routes.cut()
	js, err := jetstream.New(connect(t, servers[0].url()))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a replica without a leader that answers", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, bucket.Stream)
		return err == nil && stream.CachedInfo().Cluster.Leader == ""
	})
	b.Hold(page("r", "user-2", "a"), at(1, "x"))
	waitWritten(t, b)
	epoch := func() uint64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.epoch
	}
	before := epoch()
	connectTo(t, b, "server-0")
	eventually(t, "what the node knows of the bucket there", func() bool {
		return errors.Is(b.Ready(), leader.ErrNone) || epoch() != before
	})
	var lines logLines
	observe(t, connect(t, servers[0].url()), bucket.Observer{Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	eventually(t, "what an observer knows of it", func() bool { return lines.count(leader.ErrNone.Error()) > 0 })
	waitReady(t, b, true)
	if epoch() != before || d.count(presence.Left, "") > 0 {
		t.Errorf("the bucket counts as a new one: %v; changes: %s", epoch() != before, d)
	}
}
