package main

import (
	"testing"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }
