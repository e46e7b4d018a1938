package main

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
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
