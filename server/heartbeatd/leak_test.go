package main

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(closingIdle{m}) }

// closingIdle closes the idle connections of the default client after the tests.
type closingIdle struct{ *testing.M }

func (m closingIdle) Run() int {
	defer http.DefaultClient.CloseIdleConnections()
	return m.M.Run()
}
