package doctor

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/heartbeatd/heartbeatd/broker"
	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/server"
)

// TestMain fails if a test leaves a goroutine running. The clock of NATS is one for all
// embedded servers of a process, and may outlive them.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(closingIdle{m}, goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

// closingIdle closes the idle connections of the default client after the tests.
type closingIdle struct{ *testing.M }

func (m closingIdle) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return m.M.Run()
}

const (
	testSecret = "a secret for tests, as long as one should be"
	operator   = "an-operator-key"
)

// node is a heartbeatd with the site blog.
type node struct{ public, admin string } // host:port

func start(t *testing.T, origins ...string) *node {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{
		Broker: b, BasePath: "/heartbeat", Scripts: clientjs.Dist, APIKey: operator,
		Sites: []server.Site{{ID: "blog", Secrets: []string{testSecret}, Origins: origins}},
	})
	if err != nil {
		t.Fatal(err)
	}
	public, admin := httptest.NewServer(s.Public()), httptest.NewServer(s.Admin())
	t.Cleanup(func() {
		public.CloseClientConnections()
		s.Close()
		public.Close()
		admin.Close()
		if err := b.Close(); err != nil {
			t.Errorf("closing the broker: %v", err)
		}
	})
	return &node{public.Listener.Addr().String(), admin.Listener.Addr().String()}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
