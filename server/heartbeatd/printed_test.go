package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestPasswordsAreNotPrinted gives commands URLs with a password that are invalid, or where nobody or
// another server answers.
func TestPasswordsAreNotPrinted(t *testing.T) {
	const password = "a-password"
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 404) }))
	defer other.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	with := func(url string) string { return strings.Replace(url, "://", "://ann:"+password+"@", 1) }
	invalid := "http://ann:" + password + "@host:port"
	push := []string{"push", "1", "--all", "--api-key", "x", "--api"}
	doctor := []string{"doctor", gone.URL, "--idle", "0s", "--api"}
	check := []string{"config", "check", "--site-secret", testSecret}
	for _, args := range [][]string{
		append(push, with(other.URL)), append(push, with(gone.URL)), append(push, invalid), append(push, "ann:"+password+"@host"),
		append(doctor, with(other.URL)), append(doctor, with(gone.URL)), append(doctor, invalid), append(doctor, "http://ann:"+password+"@127.0.0.1"),
		append(doctor, invalid, "--api-key", "x"), {"doctor", with(gone.URL), "--idle", "0s", "--url", invalid}, {"doctor", invalid},
		append(check, "--site-upstream", with(gone.URL)+"/blog"), append(check, "--site-upstream", invalid),
		append(check, "--site-origin", with(gone.URL)), append(check, "--site-origin", invalid), append(check, "--site-origin", "ann:"+password+"@host"),
		{"watch", "--nats-url", "nats://ann:" + password + "@127.0.0.1:1"}, {"watch", "--nats-url", "nats://ann:" + password + "@127.0.0.1:1,nats://ann:" + password + "@127.0.0.1:2"},
		{"watch", "--nats-url", "nats://" + password + "@127.0.0.1:1"}, {"watch", "--nats-url", "nats://ann:" + password + "%zz@127.0.0.1:1"},
		{"--nats-url", "nats://ann:" + password + "%zz@127.0.0.1:1", "--site-secret", testSecret},
	} {
		printed, failed := runProcess(t, args...)
		if !failed || strings.Contains(printed, password) {
			t.Errorf("%q: failed %v, and printed %s", args, failed, printed)
		}
	}
}

// TestOtherServersControlNoTerminal lets the servers that commands call answer with control characters.
func TestOtherServersControlNoTerminal(t *testing.T) {
	const evil = "\x1b]0;title\x07\u009b2J"
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"cursor": evil, "version": evil, "ready": false, "reason": evil,
			"reasons": []any{map[string]string{"name": evil, "text": evil, "remedy": evil, "finding": evil}},
		})
	}))
	defer api.Close()
	// The text of a status line has no other escape than ours.
	line := rawServer(t, "HTTP/1.1 500 "+evil+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	nats := rawServer(t, `INFO {"server_id":"a","version":"2.15.0","max_payload":1000}`+"\r\n-ERR '"+evil+"'\r\n")
	for _, args := range [][]string{
		{"push", "1", "--all", "--api-key", "x", "--api", api.URL},
		{"push", "1", "--all", "--api-key", "x", "--api", "http://" + line},
		{"doctor", api.URL, "--idle", "0s", "--api", api.URL},
		{"doctor", "http://" + line, "--idle", "0s", "--api-key", "x", "--api", "http://" + line},
		{"doctor", api.URL, "--idle", "0s", "--json", "--api", api.URL},
		{"watch", "--nats-url", "nats://" + nats},
	} {
		printed, _ := runProcess(t, args...)
		if i := strings.IndexFunc(printed, func(c rune) bool { return unicode.IsControl(c) && c != '\n' }); i >= 0 {
			t.Errorf("%q printed %q", args, printed)
		}
	}
}

// TestWatchedJSON prints an entry with control characters as JSON: a program reads them, and no terminal.
func TestWatchedJSON(t *testing.T) {
	var out bytes.Buffer
	const name = "\u009b2J\x7f é \U0001F600"
	(&watchCmd{JSON: true}).print(&out, presence.Change{Site: "blog", Entry: presence.Entry{Room: "r", ClientID: "c", DisplayName: name, Data: json.RawMessage(`{"x":"` + name + `"}`)}})
	if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), unicode.IsControl) {
		t.Errorf("printed %q", out.String())
	}
	var got struct {
		DisplayName string `json:"display_name"`
		Data        struct{ X string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.DisplayName != name || got.Data.X != name {
		t.Errorf("%v: %+v", err, got)
	}
}

// runProcess runs a command in a process of its own, and returns what it has printed and whether it has
// failed.
func runProcess(t *testing.T, args ...string) (printed string, failed bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, os.Args[0], args...)
	command.Env = append(os.Environ(), asProgram+"=1", "XDG_CACHE_HOME="+t.TempDir(), "XDG_STATE_HOME="+t.TempDir())
	out, err := command.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("%q does not end: %s", args, out)
	}
	return string(out), err != nil
}

// rawServer answers every connection with a text, and returns its address.
func rawServer(t *testing.T, answer string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(answer))
			_, _ = c.Read(make([]byte, 4096))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}
