package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const testSecret = "a secret for tests, as long as one should be"

// TestPushAndNudge checks that a page receives pushes and nudges.
func TestPushAndNudge(t *testing.T) {
	secret := testSecret
	p := start(t, serveCmd{SiteID: "blog", SiteSecret: &secret, APIKey: "an-operator-key"})
	page := listen(t, p.public, "blog")
	byKey := apiclient.Client{API: "http://" + p.admin + "/", SiteID: "blog", APIKey: "an-operator-key"}
	bySecret := apiclient.Client{API: "http://" + p.admin, SiteID: "blog", SiteSecret: secret, APIKey: "not asked for"}
	for _, c := range []struct {
		api  apiclient.Client
		to   targetFlags
		data string
	}{
		{bySecret, targetFlags{All: true}, `{"sold":1}`},
		{byKey, targetFlags{User: 7}, `"sold"`},
		{bySecret, targetFlags{Can: "edit_posts"}, `null`},
		{byKey, targetFlags{Room: "postType/post:42"}, `[ 1, 2 ]`},
	} {
		cursor, err := (&pushCmd{c.api, c.to, "-"}).push(t.Context(), strings.NewReader(c.data+"\n"))
		if err != nil || cursor == "" {
			t.Fatalf("%+v: cursor %q, %v", c.to, cursor, err)
		}
		var got, want any
		frame := page("push")
		_ = json.Unmarshal([]byte(c.data), &want)
		_ = json.Unmarshal(frame["data"], &got)
		if text(got) != text(want) || string(frame["cursor"]) != `"`+cursor+`"` {
			t.Errorf("pushed %s at %s, and got %s at %s", c.data, cursor, frame["data"], frame["cursor"])
		}
	}
	if err := (&nudgeCmd{bySecret, targetFlags{All: true}, 1500 * time.Millisecond}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if frame := page("nudge"); string(frame["spread_ms"]) != "1500" {
		t.Errorf("nudged over %s ms", frame["spread_ms"])
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// listen opens a page of user 7, and returns a function that waits for its next
// frame of a type.
func listen(t *testing.T, public, site string) func(kind string) map[string]json.RawMessage {
	t.Helper()
	ticket, err := ticket.Sign(site, testSecret, ticket.Claims{
		Can: []string{"edit_posts"}, Rooms: []string{"postType/post:42"}, RegisteredClaims: jwt.RegisteredClaims{Subject: "7"},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	c, _, err := websocket.Dial(ctx, "ws://"+public+"/heartbeat/socket", &websocket.DialOptions{Subprotocols: []string{"heartbeat.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = c.CloseNow() })
	if err := c.Write(ctx, websocket.MessageText, []byte(`{"type":"hello","conn":"a-page-of-7","ticket":"`+ticket+`"}`)); err != nil {
		t.Fatal(err)
	}
	next := func(kind string) map[string]json.RawMessage {
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				t.Fatalf("waiting for a %s: %v", kind, err)
			}
			var frame map[string]json.RawMessage
			if json.Unmarshal(b, &frame) == nil && string(frame["type"]) == `"`+kind+`"` {
				return frame
			}
		}
	}
	next("welcome")
	return next
}

// TestPushRefused checks the errors of push and nudge. They say what to do.
func TestPushRefused(t *testing.T) {
	secret := testSecret
	p := start(t, serveCmd{SiteID: "blog", SiteSecret: &secret, APIKey: "an-operator-key"})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 404) }))
	defer other.Close()
	redirect := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer redirect.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	admin := "http://" + p.admin
	good := []string{"--api", admin, "--site-id", "blog", "--site-secret", secret, "--all"}
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"api":"`+gone.URL+`","api-key":"x","all":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(more ...string) []string { return append(append([]string{"push", "1"}, good...), more...) }
	for want, args := range map[string][]string{
		"exactly one of room":             with("--user", "7"),
		"exactly one of":                  {"push", "1", "--api", admin, "--api-key", "x"},
		"use user, can or all":            {"push", "1", "--api", admin, "--api-key", "x", "--room", "everyone"},
		`must contain a "/"`:              {"nudge", "--api", admin, "--api-key", "x", "--room", "user:7"},
		"above 0":                         {"push", "1", "--api", admin, "--api-key", "x", "--user=-7"},
		"must be JSON":                    append([]string{"push", "sold"}, good...),
		"at most 65536 bytes":             append([]string{"push", `"` + strings.Repeat("x", 65536) + `"`}, good...),
		"signature is invalid":            with("--site-secret", "another"),
		"token signature is invalid":      with("--site-id", "shop"),
		"use the --api-key of heartbeatd": {"push", "1", "--api", admin, "--api-key", "x", "--all"},
		"one of the sites":                {"push", "1", "--api", admin, "--api-key", "an-operator-key", "--all", "--site-id", "shop"},
		"--site-secret or --api-key":      {"nudge", "--api", admin, "--all"},
		"--spread must be 0s to 1m0s":     append([]string{"nudge", "--spread", "2m"}, good...),
		"is not heartbeatd's API (404":    with("--api", other.URL),
		"is not heartbeatd's API (307":    with("--api", redirect.URL),
		"check that heartbeatd runs":      with("--api", gone.URL),
		"it must be a URL":                with("--api", "127.0.0.1:8081"),
		"no answer from":                  {"push", "1", "--config", file},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := run(ctx, args)
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		} else if strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), "an-operator-key") {
			t.Errorf("%v prints the secret: %v", args, err)
		}
	}
	endless := io.MultiReader(strings.NewReader(`"`), repeated('x'))
	to := targetFlags{All: true}
	if _, err := (&pushCmd{apiclient.Client{API: admin, SiteSecret: "x"}, to, "-"}).push(t.Context(), endless); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("endless data: %v", err)
	}
}

// repeated is an endless reader.
type repeated byte

func (r repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}
