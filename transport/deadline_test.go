package transport

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

// serveBriefly serves with a server that gives a request very little time.
func serveBriefly(t *testing.T, h http.Handler, timeout time.Duration) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ReadTimeout, s.Config.WriteTimeout = timeout, timeout
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestPollOutlivesTheTimeouts answers a poll later than the timeouts of the HTTP server.
func TestPollOutlivesTheTimeouts(t *testing.T) {
	p := newPolls()
	id := p.open()
	const timeout = 50 * time.Millisecond
	s := serveBriefly(t, &LongPoll{p.Sessions}, timeout)
	time.AfterFunc(4*timeout, func() { p.e.out.Send([]byte(`"late"`)) })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/poll?after=0", nil)
	r.Header.Set(SessionHeader, id)
	answer, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if b, err := io.ReadAll(answer.Body); err != nil || string(b) != `{"seq":1,"frames":["late"]}` {
		t.Errorf("the poll was answered %s, %v", b, err)
	}
	p.Stop()
}

// TestLimitWrite checks that a client which reads nothing gets the time of LimitWrite, and
// no more.
func TestLimitWrite(t *testing.T) {
	failed := make(chan error, 1)
	s := serveBriefly(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		LimitWrite(w, -int(WriteTimeout/time.Second)*minReadRate) // a negative size: no time is left
		_, err := w.Write(make([]byte, 64<<20))
		failed <- err
	}), time.Hour)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-failed:
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the write ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the write does not end")
	}
}
