package main

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestLeavingServer checks that a server that leaves still answers requests on connections that clients
// keep, and ends each connection with the answer: a client whose connection is closed while it sends
// the next request gets no answer.
func TestLeavingServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "an answer") }), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.serveOn(l) }()
	via := &http.Transport{}
	defer via.CloseIdleConnections()
	ask := func() (ends bool) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String(), strings.NewReader("a=b"))
		answer, err := via.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		if text, _ := io.ReadAll(answer.Body); string(text) != "an answer" {
			t.Errorf("the answer is %q", text)
		}
		return answer.Close
	}
	if ask() {
		t.Error("the connection ends")
	}
	s.leave()
	for range 2 { // on that connection, and on the next one
		if !ask() {
			t.Error("the connection stays open")
		}
	}
	s.acceptNoMore(t.Context())
	_ = s.Shutdown(t.Context())
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestUnusedConnection checks that a server that stops closes a connection on which no request has come
// for long, as browsers open them in advance: Shutdown would wait for it.
func TestUnusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.serveOn(l) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for !s.waits() {
		time.Sleep(time.Millisecond)
	}
	s.acceptNoMore(t.Context())
	_ = c.SetReadDeadline(time.Now().Add(4 * time.Second)) // less than the time of Shutdown
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is open: %v", err)
	}
	_ = s.Shutdown(t.Context())
	if err := <-served; err != nil {
		t.Error(err)
	}
}
