package transport

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails when goroutines are left after the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
