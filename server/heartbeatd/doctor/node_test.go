package doctor

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker"
	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server"
)

// TestMain fails if a test leaves a goroutine running. Go's HTTP server offers WebSockets over HTTP/2
// only in a process that was started with this setting.
func TestMain(m *testing.M) {
	const setting = "http2xconnect=1"
	if before := os.Getenv("GODEBUG"); !strings.Contains(before, setting) {
		program, err := os.Executable()
		if err == nil {
			_ = os.Setenv("GODEBUG", strings.TrimPrefix(before+","+setting, ","))
			err = syscall.Exec(program, os.Args, os.Environ())
		}
		panic(err)
	}
	leaktest.Main(m)
}

const (
	testSecret = "a secret for tests, as long as one should be"
	operator   = "an-operator-key"
)

// node is a heartbeatd with the site blog.
type node struct{ public, admin string } // host:port

func start(t *testing.T, origins ...string) *node {
	t.Helper()
	s, err := server.New(server.Config{
		Broker: nodetest.OpenBroker(t, broker.Config{}), BasePath: "/heartbeat", Scripts: clientjs.Dist, APIKey: operator,
		Sites: []server.Site{{ID: "blog", Secrets: []string{testSecret}, Origins: origins}},
	})
	if err != nil {
		t.Fatal(err)
	}
	public, admin := nodetest.Serve(t, s)
	return &node{public.Listener.Addr().String(), admin.Listener.Addr().String()}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, body := nodetest.Send(t, http.MethodGet, url, "", nil)
	return r.StatusCode, body
}
