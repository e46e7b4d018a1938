//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
)

// watchers observe presence on NATS: bucket.Observe, and the documented observers.
type watchers struct {
	conn    *nats.Conn
	cancel  context.CancelFunc
	running sync.WaitGroup
	scripts []*script

	mu   sync.Mutex // guards the following field
	seen presences  // by bucket.Observe
}

func (c *cluster) watch() (*watchers, error) {
	w := &watchers{seen: make(presences)}
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.URL)
	}
	var err error
	if w.conn, err = nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.running.Go(func() {
		_ = bucket.Observe(ctx, w.conn, bucket.Observer{TTL: c.ttl, OnChange: w.changed})
	})
	for name, args := range map[string][]string{
		"observe.mjs": {"node", "integration/observers/observe.mjs"}, "observe.py": {"python3", "integration/observers/observe.py"},
	} {
		s := &script{name: name, args: args, urls: urls, site: c.sites[0].ID}
		w.scripts = append(w.scripts, s)
		w.running.Go(func() { s.run(ctx) })
	}
	return w, nil
}

func (w *watchers) stop() {
	w.cancel()
	w.conn.Close()
	w.running.Wait()
}

func (w *watchers) changed(c presence.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := place{site: c.Site, room: c.Entry.Room, client: c.Entry.ClientID}
	if c.Kind == presence.Left {
		delete(w.seen, k)
	} else {
		w.seen[k] = screenOf(c.Entry.Data)
	}
}

func (w *watchers) observed() presences {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.seen)
}

func screenOf(data []byte) string {
	var d struct{ Screen string }
	_ = json.Unmarshal(data, &d)
	return d.Screen
}

// script is a documented observer of one room. It is started again when it ends, with another
// server.
type script struct {
	name string
	args []string
	urls []string
	site string

	mu   sync.Mutex // guards the following field
	seen presences
}

func (s *script) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		s.set(nil)
		cmd := exec.CommandContext(ctx, s.args[0], append(s.args[1:], s.urls[i%len(s.urls)], s.site, backend.AdminRoom)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		cmd.Stderr = nil
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s does not start: %v\n", s.name, err)
			return
		}
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			s.line(lines.Bytes())
		}
		_ = cmd.Wait()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s *script) line(b []byte) {
	var list []struct {
		ClientID string `json:"client_id"`
		Data     json.RawMessage
	}
	if json.Unmarshal(b, &list) != nil {
		return
	}
	seen := make(presences)
	for _, e := range list {
		seen[place{site: s.site, room: backend.AdminRoom, client: e.ClientID}] = screenOf(e.Data)
	}
	s.set(seen)
}

func (s *script) set(seen presences) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = seen
}

func (s *script) observed() presences {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

var direct = &http.Client{Timeout: 5 * time.Second}

// maxListed is the number of sites whose lists are read: each node watches such a site.
const maxListed = 50

// listed returns the sites whose lists are read, and the entries of these.
func (c *cluster) listed(truth presences) ([]machine.Site, presences) {
	sites := c.sites[:min(maxListed, len(c.sites))]
	of := make(map[string]bool)
	for _, s := range sites {
		of[s.ID] = true
	}
	t := make(presences)
	for k, screen := range truth {
		if of[k.site] {
			t[k] = screen
		}
	}
	return sites, t
}

// listOf returns the entries of sites on a node.
func listOf(n *machine.Node, sites []machine.Site) (presences, error) {
	seen := make(presences)
	for _, site := range sites {
		for after, more := "", true; more; more = after != "" {
			list, next, err := listAfter(n, site.ID, after)
			if err != nil {
				return nil, err
			}
			for i := range list {
				seen[place{site: site.ID, room: list[i].Room, client: list[i].ClientID}] = screenOf(list[i].Data)
			}
			after = next
		}
	}
	return seen, nil
}

// listAfter returns a part of the list of a site's entries, and after what the next one begins.
func listAfter(n *machine.Node, site, after string) (list []presence.Entry, next string, err error) {
	r, err := http.NewRequest("GET", fmt.Sprintf("http://%s/api/v1/presence?site=%s&data=short&per_page=1000&after=%s", n.Admin, site, after), nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("Authorization", "Bearer "+machine.APIKey)
	answer, err := direct.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the list of %s has status %d", n.Name, answer.StatusCode)
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return nil, "", err
	}
	return list, answer.Header.Get("X-Heartbeatd-Next"), nil
}
