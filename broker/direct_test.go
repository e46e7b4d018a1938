package broker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
)

// TestDirect sends messages between two nodes, also after their NATS server was restarted and
// after a connection was closed for good.
func TestDirect(t *testing.T) {
	t.Parallel()
	ns := startNATS(t)
	a, b := open(t, Config{URL: ns.url(), Node: "a"}), open(t, Config{URL: ns.url(), Node: "b"})
	if a.Node() != "a" || a.IsAlone() {
		t.Errorf("%s, alone: %v", a.Node(), a.IsAlone())
	}
	heard := make(chan string, 100)
	b.Hear(NodeSubjects+"b", func(m *nats.Msg) {
		if m.Reply != "" {
			_ = m.Respond([]byte("answer to " + string(m.Data)))
			return
		}
		heard <- string(m.Data)
	})
	ask := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m, err := a.Ask(ctx, &nats.Msg{Subject: NodeSubjects + "b", Data: []byte("question")})
		if err != nil {
			return ""
		}
		return string(m.Data)
	}
	answered := func() bool { return ask() == "answer to question" }
	eventually(t, "an answer", answered)
	if err := a.Tell(&nats.Msg{Subject: NodeSubjects + "b", Data: []byte("news")}); err != nil || <-heard != "news" {
		t.Error(err)
	}
	if _, err := a.Ask(t.Context(), &nats.Msg{Subject: NodeSubjects + "nobody"}); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("nobody hears: %v", err)
	}
	ns.stop()
	ns.start()
	eventually(t, "an answer after a restart of NATS", answered)
	l, _ := b.current()
	l.nc.Close()
	eventually(t, "an answer on a new connection", answered)
}

// TestAskReplaced cuts the connection while a question waits: its answer would be lost.
func TestAskReplaced(t *testing.T) {
	t.Parallel()
	ns := startNATS(t)
	p := startProxy(t, ns)
	a, b := open(t, Config{URL: p.url(), Node: "a"}), open(t, Config{URL: ns.url(), Node: "b"})
	heard := make(chan struct{}, 1)
	b.Hear(NodeSubjects+"b", func(*nats.Msg) { heard <- struct{}{} })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	failed := make(chan error, 1)
	eventually(t, "a question", func() bool {
		go func() {
			_, err := a.Ask(ctx, &nats.Msg{Subject: NodeSubjects + "b"})
			failed <- err
		}()
		select {
		case <-heard:
			return true
		case err := <-failed:
			if !errors.Is(err, nats.ErrNoResponders) { // b does not hear yet
				t.Fatal(err)
			}
			return false
		}
	})
	p.cut()
	p.restore()
	if err := <-failed; !errors.Is(err, ErrReplaced) {
		t.Errorf("the question has the error %v", err)
	}
}

// TestAskDuringNewBucket checks that a question goes on when only the bucket is a new one.
func TestAskDuringNewBucket(t *testing.T) {
	t.Parallel()
	ns := startNATS(t)
	a, b := open(t, Config{URL: ns.url(), Node: "a"}), open(t, Config{URL: ns.url(), Node: "b"})
	questions := make(chan *nats.Msg, 1)
	b.Hear(NodeSubjects+"b", func(m *nats.Msg) { questions <- m })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	result := make(chan error, 1)
	var question *nats.Msg
	eventually(t, "a question", func() bool {
		go func() {
			_, err := a.Ask(ctx, &nats.Msg{Subject: NodeSubjects + "b"})
			result <- err
		}()
		select {
		case question = <-questions:
			return true
		case <-result: // b does not hear yet
			return false
		}
	})
	l, replaced := a.current()
	if err := l.js.DeleteKeyValue(ctx, bucket.Name); err != nil {
		t.Fatal(err)
	}
	a.checkSoon()
	<-replaced
	if err := question.Respond(nil); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("the question has the error %v", err)
	}
}

// TestDirectAlone checks that only a node whose NATS opens no port is alone.
func TestDirectAlone(t *testing.T) {
	t.Parallel()
	if b := openAsIs(t, Config{}); !b.IsAlone() {
		t.Error("without a listener the node is not alone")
	}
	if b := open(t, Config{Listen: "127.0.0.1:0"}); b.IsAlone() {
		t.Error("with a listener the node is alone")
	}
}
