// Package leaktest fails the tests of a package that leave goroutines running.
package leaktest

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// natsClock is the goroutine of a clock that all embedded NATS servers of a process share.
// It may outlive them.
const natsClock = "github.com/nats-io/nats-server/v2/server/ats.Register.func1"

// natsFile is the goroutine of a stream in a file. It stays if the embedded NATS server stops while
// it creates the stream.
const natsFile = "github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"

// Main runs the tests of a package. It fails if a goroutine is left afterwards. Call it from
// TestMain.
func Main(m *testing.M) {
	goleak.VerifyTestMain(tests{m}, goleak.IgnoreAnyFunction(natsClock), goleak.IgnoreAnyFunction(natsFile))
}

// tests closes the idle connections of the default client after the tests.
type tests struct{ m *testing.M }

func (t tests) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return t.m.Run()
}
