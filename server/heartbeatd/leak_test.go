package main

import (
	"os"
	"testing"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// asProgram is the environment variable with which the test binary is heartbeatd.
const asProgram = "HEARTBEATD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	leaktest.Main(m)
}
