package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// overUnix returns a client whose connections go to a Unix socket.
func overUnix(t *testing.T, path string) *http.Client {
	t.Helper()
	of := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(of.CloseIdleConnections)
	return &http.Client{Transport: of}
}

// TestUnixSockets serves both listeners on Unix sockets: a WebSocket, an event stream's open, the API
// and its command.
func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	public, admin := filepath.Join(dir, "public.sock"), filepath.Join(dir, "admin.sock")
	t.Setenv("HEARTBEATD_SITE_SECRET", oldSecret)
	args := []string{"--listen", "unix:" + public, "--admin-listen", "unix:" + admin, "--drain-time", "10ms"}
	p := startProcess(t, args...)
	client := overUnix(t, public)
	conn, _, err := websocket.Dial(t.Context(), "ws://localhost/heartbeat/socket", &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{transport.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	if err := conn.Write(t.Context(), websocket.MessageText, helloOf(t, "default", oldSecret, 1)); err != nil {
		t.Fatal(err)
	}
	if code := readUntil(t, conn, "welcome"); code != 0 {
		t.Fatalf("closed with %d", code)
	}
	push := pushCmd{Client: apiclient.Client{API: "unix:" + admin, SiteID: "default", SiteSecret: oldSecret}, targetFlags: targetFlags{All: true}, Data: "1"}
	if _, err := push.push(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if code := readUntil(t, conn, "push"); code != 0 {
		t.Fatalf("closed with %d", code)
	}
	if r, err := overUnix(t, admin).Get("http://localhost/readyz"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("readyz: %v, %v", r, err)
	} else {
		_ = r.Body.Close()
	}

	second := run(t.Context(), append(args, "--state-dir", t.TempDir()))
	if second == nil || !strings.Contains(second.Error(), "--listen: another program uses unix:"+public) {
		t.Errorf("a second process: %v", second)
	}
	_ = p.Process.Kill() // its sockets stay
	p.drained(t)
	if _, err := os.Stat(public); err != nil {
		t.Fatal(err)
	}
	startProcess(t, args...)
}

func TestBadUnixSockets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"": "1 to 107 bytes", "/" + strings.Repeat("x", maxUnixPath): "1 to 107 bytes", "/missing/folder/a.sock": "create the folder", file: "another program uses",
	} {
		if _, err := listenOn(t.Context(), slog.New(slog.DiscardHandler), "--listen", "unix:"+path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("unix:%s: %v, want %q", path, err, want)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a file that is no socket was removed: %v", err)
	}
}

// TestRacingUnixSockets starts listeners at once where a socket of an ended process is: one of them
// gets it, and clients reach that one.
func TestRacingUnixSockets(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "a.sock")
		old, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		old.SetUnlinkOnClose(false)
		_ = old.Close()
		const racers = 8
		listening, refused := make(chan net.Listener, racers), make(chan error, racers)
		start := make(chan struct{})
		var racing sync.WaitGroup
		for range racers {
			racing.Go(func() {
				<-start
				if l, err := listenUnix(t.Context(), path); err != nil {
					refused <- err
				} else {
					listening <- l
				}
			})
		}
		close(start)
		racing.Wait()
		if len(listening) != 1 || len(refused) != racers-1 {
			t.Fatalf("%d processes listen", len(listening))
		}
		for range racers - 1 {
			if err := <-refused; !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("refused with %v", err)
			}
		}
		_ = (<-listening).Close()
	}
}

// TestOpenFolder checks the warning for a socket to which every user may connect.
func TestOpenFolder(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "heartbeatd-open-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for mode, warns := range map[fs.FileMode]bool{0o755: true, 0o750: false, 0o711: true} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		inner := filepath.Join(dir, "inner")
		if err := errors.Join(os.MkdirAll(inner, 0o755), os.Chmod(inner, 0o755)); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		var out bytes.Buffer
		l, err := listenOn(t.Context(), slog.New(slog.NewTextHandler(&out, nil)), "--listen", "unix:"+filepath.Join(inner, "a.sock"))
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if strings.Contains(out.String(), "every user of this machine may connect to unix:"+inner) != warns {
			t.Errorf("%o: %q", mode, out.String())
		}
		if strings.Contains(out.String(), "chmod") { // the folder may be /tmp
			t.Errorf("the advice changes the folder: %q", out.String())
		}
	}
}

// activated returns a process that inherits sockets as from systemd.
func activated(t *testing.T, names string, sockets ...*os.File) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	script := `LISTEN_PID=$$ exec "$0" serve --drain-time 300ms --state-dir "$STATE"` // LISTEN_PID is that of heartbeatd
	p := &process{Cmd: exec.CommandContext(ctx, "/bin/sh", "-c", script, os.Args[0]), lines: make(chan string, 1000)}
	p.Env = append(os.Environ(), asProgram+"=1", fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES="+names, "STATE="+t.TempDir(), "HEARTBEATD_SITE_SECRET="+oldSecret)
	p.ExtraFiles = sockets
	p.run(t)
	return p
}

// drained waits until the process has ended.
func (p *process) drained(t *testing.T) {
	t.Helper()
	for {
		select {
		case _, more := <-p.lines:
			if !more {
				return
			}
		case <-t.Context().Done():
			t.Fatal("the process has not ended")
		}
	}
}

// TestActivation replaces a process that has its sockets from systemd, while clients connect all the
// time: none is refused, and all get an answer.
func TestActivation(t *testing.T) {
	var files []*os.File
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = f.Close(), l.Close() })
		files, addresses = append(files, f), append(addresses, l.Addr().String())
	}
	first := activated(t, "public:admin", files...)
	first.logs(t, "msg=ready listen="+addresses[0]+" admin="+addresses[1])

	stop, ended := make(chan struct{}), make(chan error, 1)
	answers := 0
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // each request connects
		for {
			select {
			case <-stop:
				ended <- nil
				return
			default:
			}
			r, err := client.Get("http://" + addresses[1] + "/healthz")
			if err != nil {
				ended <- err
				return
			}
			_ = r.Body.Close()
			answers++
		}
	}()
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.logs(t, "msg=stopping")
	first.drained(t)
	second := activated(t, "public:admin", files...)
	second.logs(t, "msg=ready listen="+addresses[0])
	close(stop)
	if err := <-ended; err != nil {
		t.Errorf("after %d answers: %v", answers, err)
	}
	if answers == 0 {
		t.Error("there was no answer")
	}
}

// TestDatagramSockets checks that sockets are refused on which no connection can come.
func TestDatagramSockets(t *testing.T) {
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	unix, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "a.sock"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close() }()
	for _, socket := range []interface{ File() (*os.File, error) }{udp, unix} {
		f, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		activated(t, "public", f).logs(t, `systemd has opened a socket "public" that heartbeatd cannot listen on: use ListenStream= in the socket unit`)
		_ = f.Close()
	}
}

// TestUnknownSockets checks the error for a socket with another name.
func TestUnknownSockets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	activated(t, "heartbeatd.socket", f).logs(t, `systemd has opened a socket "heartbeatd.socket": set FileDescriptorName= of the socket unit to public or admin`)
}
