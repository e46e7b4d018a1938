package broker

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// natsServer is a NATS server on a loopback port that a test can stop and start. Its
// streams are in memory, so they are lost when it stops.
type natsServer struct {
	t    *testing.T
	opts *server.Options
	srv  *server.Server
}

// keySubject is the beginning of the subjects of keys.
var keySubject = external.NATS{}.KeySubject()

func startNATS(t *testing.T) *natsServer {
	t.Helper()
	s := &natsServer{t: t, opts: &server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *natsServer) start() {
	s.t.Helper()
	srv, err := server.NewServer(s.opts.Clone())
	if err != nil {
		s.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("nats-server did not start within 10 s")
	}
	s.opts.Port = srv.Addr().(*net.TCPAddr).Port // the next start uses the same port
	s.srv = srv
}

func (s *natsServer) stop() {
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
}

func (s *natsServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.opts.Port) }

// proxy is a TCP proxy to NATS whose connections a test can cut.
type proxy struct {
	t       *testing.T
	to      string
	addr    string
	stalled atomic.Bool
	mu      sync.Mutex
	close   []io.Closer
}

func startProxy(t *testing.T, s *natsServer) *proxy {
	t.Helper()
	return proxyTo(t, strings.TrimPrefix(s.url(), "nats://"))
}

func proxyTo(t *testing.T, addr string) *proxy {
	t.Helper()
	p := &proxy{t: t, to: addr, addr: "127.0.0.1:0"}
	p.restore()
	t.Cleanup(p.cut)
	return p
}

func (p *proxy) url() string { return "nats://" + p.addr }

// restore accepts connections, at first and after cut.
func (p *proxy) restore() {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.closeOnCut(l)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.to)
			if err != nil {
				in.Close()
				continue
			}
			p.closeOnCut(in, out)
			go io.Copy(in, out)
			go io.Copy(out, gate{p, in})
		}
	}()
}

func (p *proxy) closeOnCut(c ...io.Closer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close = append(p.close, c...)
}

// cut closes all connections and accepts no more.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.close {
		c.Close()
	}
	p.close = nil
}

// stall lets the proxy read no more from clients until it is cut: what they write fills the
// buffers of the connections.
func (p *proxy) stall() { p.stalled.Store(true) }

// gate is a client's connection to a proxy.
type gate struct {
	p *proxy
	net.Conn
}

func (g gate) Read(data []byte) (int, error) {
	n, err := g.Conn.Read(data)
	for g.p.stalled.Load() && g.p.t.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return n, err
}

// connect connects a NATS client that is not a broker.
func connect(t *testing.T, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(opts, nats.Timeout(patience), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// messageRecorder records the messages that are published under "presence.".
type messageRecorder struct {
	mu   sync.Mutex
	msgs []*nats.Msg
}

func recordMessages(t *testing.T, url string) *messageRecorder {
	t.Helper()
	w := &messageRecorder{}
	nc := connect(t, url)
	_, err := nc.Subscribe("presence.>", func(m *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.msgs = append(w.msgs, m)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *messageRecorder) all() []*nats.Msg {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.msgs[:len(w.msgs):len(w.msgs)]
}

// count returns the number of messages that contain text, in the value or in a header.
func (w *messageRecorder) count(text string) int {
	n := 0
	for _, m := range w.all() {
		if contains(m, text) {
			n++
		}
	}
	return n
}

func contains(m *nats.Msg, text string) bool {
	return strings.Contains(string(m.Data)+fmt.Sprint(m.Header), text)
}

func purge(t *testing.T, nc *nats.Conn, k presence.Key) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bucket.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := kv.Purge(t.Context(), k.String()); err != nil {
		t.Fatal(err)
	}
}

func streamOf(t *testing.T, url string) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(connect(t, url))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	stream, err := js.Stream(ctx, bucket.Stream)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func streamState(t *testing.T, url string) jetstream.StreamState {
	t.Helper()
	return streamOf(t, url).CachedInfo().State
}

func deleteStream(t *testing.T, url string) {
	t.Helper()
	js, err := jetstream.New(connect(t, url))
	if err == nil {
		err = js.DeleteStream(t.Context(), bucket.Stream)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// nc returns the broker's own connection.
func nc(b *Broker) *nats.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.link.nc
}

// holds returns a copy of the item of a key, or nil.
func (b *Broker) holds(k presence.Key) *item {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it := b.items[k.String()]; it != nil {
		copied := *it
		return &copied
	}
	return nil
}

// waitWritten waits until all writes of b are acknowledged.
func waitWritten(t *testing.T, b *Broker) {
	t.Helper()
	eventually(t, "the acks of all writes", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.down == nil && b.queue.Len()+len(b.inFlight)+b.lookingUp == 0
	})
}
