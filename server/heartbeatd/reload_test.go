package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// configured is a process with a configuration file.
type configured struct {
	*process
	path string
}

func (c *configured) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(c.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reload writes a configuration, and returns the line that the log has of it.
func (c *configured) reload(t *testing.T, text string) string {
	t.Helper()
	c.write(t, text)
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	return c.logs(t, "configuration is re")
}

// open opens a WebSocket of a user with a ticket, and returns it when it is welcome; otherwise nil
// and the code with which it was closed.
func (c *configured) open(t *testing.T, site, secret string, user int) (*websocket.Conn, websocket.StatusCode) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+c.public+"/heartbeat/socket", &websocket.DialOptions{Subprotocols: []string{transport.Subprotocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	if err := conn.Write(t.Context(), websocket.MessageText, helloOf(t, site, secret, user)); err != nil {
		t.Fatal(err)
	}
	code := readUntil(t, conn, "welcome")
	if code != 0 {
		return nil, code
	}
	return conn, 0
}

// helloOf returns the hello of a user's page.
func helloOf(t *testing.T, site, secret string, user int) []byte {
	t.Helper()
	claims := ticket.Claims{RegisteredClaims: jwt.RegisteredClaims{Subject: fmt.Sprint(user)}, Name: "Somebody", Can: []string{"edit_posts"}}
	raw, err := ticket.Sign(site, secret, claims, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	hello, err := json.Marshal(map[string]string{"type": "hello", "ticket": raw, "conn": fmt.Sprintf("connection-%d", user)})
	if err != nil {
		t.Fatal(err)
	}
	return hello
}

// readUntil reads frames until one of a type. It returns the code with which the connection was
// closed before.
func readUntil(t *testing.T, conn *websocket.Conn, kind string) websocket.StatusCode {
	t.Helper()
	for {
		_, b, err := conn.Read(t.Context())
		if err != nil {
			return websocket.CloseStatus(err)
		}
		if strings.HasPrefix(string(b), `{"type":"`+kind+`"`) {
			return 0
		}
	}
}

// beats checks that a connection works: its beat is answered or declined.
func beats(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"type":"beat","id":1,"body":"action=heartbeat"}`)); err != nil {
		t.Fatal(err)
	}
	if code := readUntil(t, conn, "decline"); code != 0 {
		t.Fatalf("a page was closed with %d", code)
	}
}

const (
	oldSecret = "the old secret, which has 32 bytes or more"
	newSecret = "the new secret, which has 32 bytes or more"
)

// TestReload reloads a process with connected pages: secrets, origins, sites, keys and the level of
// the log.
func TestReload(t *testing.T) {
	c := &configured{path: filepath.Join(t.TempDir(), "config.json")}
	c.write(t, `{"sites":[{"id":"blog","secrets":["`+oldSecret+`"]},{"id":"shop","secrets":["`+oldSecret+`-"]}],"drain-time":"10ms"}`)
	c.process = startProcess(t, "--config", c.path)
	var pages []*websocket.Conn
	for user := 1; user <= 500; user++ {
		page, code := c.open(t, "blog", oldSecret, user)
		if page == nil {
			t.Fatalf("a page is closed with %d", code)
		}
		pages = append(pages, page)
	}
	shop, _ := c.open(t, "shop", oldSecret+"-", 1)

	line := c.reload(t, `{"sites":[{"id":"blog","secrets":["`+newSecret+`"],"origins":["https://blog.example.org"]},{"id":"news","secrets":["`+newSecret+`-"]}],
		"metrics-key":"a key","log-level":"debug","max-beats":7,"max-user-pages":200,"base-path":"/other","drain-time":"10ms"}`)
	for _, want := range []string{"is reloaded", "log-level; max-beats; metrics-key; site blog: secrets, origins; site news is new; site shop is removed", `"needs a restart"=base-path`} {
		if !strings.Contains(line, want) {
			t.Errorf("logged %s, want %s", line, want)
		}
	}
	for _, page := range pages {
		beats(t, page)
	}
	if code := readUntil(t, shop, "nothing"); code != transport.CodeTicket {
		t.Errorf("a page of the removed site is closed with %d", code)
	}
	for _, open := range []struct {
		site, secret string
		code         websocket.StatusCode
	}{
		{"blog", oldSecret, transport.CodeTicket}, {"blog", newSecret, 0}, {"news", newSecret + "-", 0}, {"shop", oldSecret + "-", transport.CodeTicket},
	} {
		if _, code := c.open(t, open.site, open.secret, 1000); code != open.code {
			t.Errorf("%s with %q: closed with %d, want %d", open.site, open.secret, code, open.code)
		}
	}
	if got := c.status(t, http.MethodOptions, "http://"+c.public+"/heartbeat/beat", "https://blog.example.org"); got != http.StatusNoContent {
		t.Errorf("a page of the new origin: %d", got)
	}
	if got := c.status(t, http.MethodGet, "http://"+c.admin+"/metrics", ""); got != http.StatusUnauthorized {
		t.Errorf("/metrics without the new key: %d", got)
	}

	for bad, want := range map[string]string{
		`{"sites":[{"id":"blog","secrets":[]}]}`: "needs one secret",
		`{"sites":`:                              "must be a JSON object",
		`{"sitesecret":"x"}`:                     "unknown flag",
		`{}`:                                     "it has no site",
		`{"max-queue-bytes":1}`:                  "--max-queue-bytes 1: it must be 131072 to 1073741824",
		`{"site-secret-file":"/missing/secret"}`: "no such file",
		`{"site-secret":"` + newSecret + `","site-origin":["a.test"]}`: "write https://a.test",
	} {
		if line := c.reload(t, bad); !strings.Contains(line, "is refused, and the last one stays") || !strings.Contains(line, want) {
			t.Errorf("%s: logged %s", bad, line)
		}
	}
	for _, page := range pages {
		beats(t, page)
	}
	if _, code := c.open(t, "news", newSecret+"-", 1001); code != 0 {
		t.Errorf("after bad configurations a page is closed with %d", code)
	}
}

func (c *configured) status(t *testing.T, method, url, origin string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}
