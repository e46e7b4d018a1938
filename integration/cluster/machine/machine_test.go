//go:build linux

package machine

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv("CI") == "" && os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		os.Exit(m.Run())
	}
	inside, code, err := Isolate(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	} else if inside {
		code = m.Run()
	}
	os.Exit(code)
}

// TestCut checks that a host that is cut off from a network is reached again after it has joined,
// and that nothing else of it is cut off.
func TestCut(t *testing.T) {
	if os.Getenv(isolated) == "" {
		t.Skip("an integration test: make test runs it, or HEARTBEATD_INTEGRATION=1")
	}
	host, err := NewHost(11, Front, Back)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Remove()
	web, err := NewProcess("web", host, "", "python3", "-m", "http.server", "8000")
	if err == nil {
		err = web.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer web.Kill()

	until := func(net Net, want bool) {
		t.Helper()
		for range 100 {
			if reaches(host.Address(net)) == want {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("%s never becomes %v: %s", net, want, web.Log())
	}
	until(Front, true)
	if err := host.Cut(Front); err != nil {
		t.Fatal(err)
	}
	until(Front, false)
	until(Back, true)
	if err := host.Join(Front); err != nil {
		t.Fatal(err)
	}
	until(Front, true)
	if used, err := web.Usage(); err != nil || used.Files == 0 || used.Memory == 0 {
		t.Errorf("it uses %+v, %v", used, err)
	}
	if err := web.Terminate(); err != nil || !web.HasEnded() {
		t.Errorf("terminated: %v", err)
	}
}

func reaches(address string) bool {
	c, err := net.DialTimeout("tcp", address+":8000", 200*time.Millisecond)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
