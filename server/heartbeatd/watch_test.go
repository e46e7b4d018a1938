package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// TestWatchFilters checks the filters by room, prefix of rooms, user and kind.
func TestWatchFilters(t *testing.T) {
	all := []string{"joined", "updated", "left"}
	for _, c := range []struct {
		watch watchCmd
		kind  presence.Kind
		want  bool
	}{
		{watchCmd{Kind: all}, presence.Joined, true},
		{watchCmd{Kind: all}, presence.Seen, false},
		{watchCmd{Kind: []string{"seen"}}, presence.Seen, true},
		{watchCmd{Kind: []string{"left"}}, presence.Joined, false},
		{watchCmd{Kind: all, Room: "postType/post:42"}, presence.Joined, true},
		{watchCmd{Kind: all, Room: "postType/post:4"}, presence.Joined, false},
		{watchCmd{Kind: all, Room: "postType/post:*"}, presence.Joined, true},
		{watchCmd{Kind: all, Room: "*"}, presence.Left, true},
		{watchCmd{Kind: all, Room: "postType/page:*"}, presence.Joined, false},
		{watchCmd{Kind: all, User: 7}, presence.Joined, true},
		{watchCmd{Kind: all, User: 8}, presence.Joined, false},
	} {
		t.Run(fmt.Sprintf("%+v of %v", c.watch, c.kind), func(t *testing.T) {
			change := presence.Change{Kind: c.kind, Entry: presence.Entry{Room: "postType/post:42", UserID: 7}}
			if got := c.watch.matches(change); got != c.want {
				t.Errorf("matches: %v, want %v", got, c.want)
			}
		})
	}
}

// TestWatchWithCredentials checks what observers of the embedded NATS server receive:
// one of a site the changes of that site, one of all sites all changes, others none.
func TestWatchWithCredentials(t *testing.T) {
	const password = "a password of one"
	secret := testSecret
	p := start(t, serveCmd{
		Sites:      siteList{{ID: "blog", Secrets: []string{secret}}, {ID: "shop", Secrets: []string{secret}}},
		NatsListen: "127.0.0.1:0", NatsObserver: map[string]string{"blog": password, "observer": password + " and all"}, APIKey: "an-operator-key",
	})
	put := func(site string) {
		t.Helper()
		r, _ := http.NewRequest("PUT", "http://"+p.admin+"/api/v1/presence",
			strings.NewReader(fmt.Sprintf(`{"site":"%s","room":"r","client_id":"user-7","user_id":7,"display_name":"Ada of %s"}`, site, site)))
		r.Header.Set("Authorization", "Bearer an-operator-key")
		answer, err := http.DefaultClient.Do(r)
		if err != nil || answer.StatusCode != 200 {
			t.Fatal(answer, err)
		}
		_ = answer.Body.Close()
	}
	blog := watching(t, watchCmd{Site: "blog", NatsURL: "nats://blog:a%20password%20of%20one@" + p.nats})
	all := watching(t, watchCmd{NatsURL: "nats://observer:a%20password%20of%20one%20and%20all@" + p.nats})
	printed := map[string]bool{}
	for len(printed) < 3 { // present entries are reported when they are written again
		put("shop")
		put("blog")
		select {
		case line := <-blog:
			printed["blog: "+line] = true
		case line := <-all:
			printed["all: "+line] = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	for _, want := range []string{"blog: joined Ada of blog", "all: joined Ada of blog", "all: joined Ada of shop"} {
		if !printed[want] {
			t.Errorf("%s is missing from %v", want, printed)
		}
	}
	for want, c := range map[string]watchCmd{
		"require --site":       {NatsURL: "nats://blog:a%20password%20of%20one@" + p.nats},
		"may not read":         {Site: "shop", NatsURL: "nats://blog:a%20password%20of%20one@" + p.nats},
		"requires credentials": {NatsURL: "nats://" + p.nats},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := c.Run(ctx, slog.New(slog.DiscardHandler))
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "password of") {
			t.Errorf("%+v: %v, want %q", c, err, want)
		}
	}
}

// watching runs a watch until the test ends, and returns what it prints as
// "joined Ada".
func watching(t *testing.T, c watchCmd) <-chan string {
	t.Helper()
	read, write := io.Pipe()
	c.Kind, c.JSON, c.out = []string{"joined", "updated", "left"}, true, write
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	lines := make(chan string, 100)
	go func() {
		defer close(ended)
		if err := c.Run(ctx, slog.New(slog.DiscardHandler)); ctx.Err() == nil {
			t.Errorf("the watch ended: %v", err)
		}
	}()
	go func() {
		for s := bufio.NewScanner(read); s.Scan(); {
			var line struct {
				Event string
				Name  string `json:"display_name"`
			}
			if err := json.Unmarshal(s.Bytes(), &line); err != nil {
				t.Errorf("%s: %v", s.Bytes(), err)
			}
			lines <- line.Event + " " + line.Name
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		_ = write.Close()
	})
	return lines
}

// TestObserverSources checks that observers are read from flags, the environment and a
// file.
func TestObserverSources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(file, []byte(`{"nats-observer":{"observer":"password=with;signs","default":"another"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	parse := func(args ...string) map[string]string {
		t.Helper()
		var c cli
		parser, err := kong.New(&c, kong.DefaultEnvars("HEARTBEATD"), kong.Configuration(loadConfig))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		return c.Serve.NatsObserver
	}
	want := map[string]string{"observer": "one", "default": "two"}
	if got := parse("--nats-observer", "observer=one", "--nats-observer", "default=two"); !maps.Equal(got, want) {
		t.Errorf("as flags: %v", got)
	}
	if got := parse("--config", file); !maps.Equal(got, map[string]string{"observer": "password=with;signs", "default": "another"}) {
		t.Errorf("in a file: %v", got)
	}
	t.Setenv("HEARTBEATD_NATS_OBSERVER", "observer=one;default=two")
	if got := parse(); !maps.Equal(got, want) {
		t.Errorf("in the environment: %v", got)
	}
}
