package broker

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// violations is a logger of a NATS server. It keeps what the server refuses.
type violations struct {
	mu      sync.Mutex
	refused []string
}

func (v *violations) Errorf(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); strings.Contains(line, "Violation") {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.refused = append(v.refused, line)
	}
}

func (v *violations) Noticef(string, ...any) {}
func (v *violations) Warnf(string, ...any)   {}
func (v *violations) Fatalf(string, ...any)  {}
func (v *violations) Debugf(string, ...any)  {}
func (v *violations) Tracef(string, ...any)  {}

// documentedUser returns the user of a node that docs/nodes.md shows.
func documentedUser(t *testing.T) *server.User {
	t.Helper()
	page, err := os.ReadFile("../docs/nodes.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile(`(?m)^    authorization \{\n(    .*\n)+`).Find(page)
	opts, err := server.ProcessConfigFile(writeFile(t, "nats.conf", block))
	if err != nil || len(opts.Users) != 1 {
		t.Fatalf("the users of docs/nodes.md: %v, of %s", err, block)
	}
	return opts.Users[0]
}

// TestDocumentedPermissions checks that the NATS user of docs/nodes.md may do all that a node does.
func TestDocumentedPermissions(t *testing.T) {
	t.Parallel()
	user, admin := documentedUser(t), &server.User{Username: "admin", Password: "admin"}
	s := startNATSWith(t, func(o *server.Options) { o.Users = []*server.User{user, admin} })
	refused := new(violations)
	s.srv.SetLoggerV2(refused, false, false, false)
	as := func(u *server.User) string {
		return fmt.Sprintf("nats://%s:%s@127.0.0.1:%d", u.Username, u.Password, s.opts.Port)
	}
	c := Config{URL: as(user)}
	moveOlderRevocations(t, must(jetstream.New(connect(t, as(admin)))), c)
	works(t, c)
	a := open(t, c)
	for i := range 3000 { // NATS paces a node that reads so many
		a.Hold(page("r", fmt.Sprint("user-", i+2), "a"), at(1, "x"))
	}
	eventually(t, "that all is written", func() bool { return a.Stats().Queued+a.Stats().InFlight == 0 })
	b := open(t, c)
	fill(t, a, topic.Pushes, 1<<20) // the stream grows
	a.Hear(NodeSubjects+"a.request", func(m *nats.Msg) { _ = m.Respond([]byte("text")) })
	eventually(t, "an answer of another node", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer, err := b.Ask(ctx, nats.NewMsg(NodeSubjects+"a.request"))
		return err == nil && string(answer.Data) == "text"
	})
	k := page("r", "user-1", "a")
	a.Hold(k, at(1, "x"))
	_, changes := watch(t, b, "site")
	eventually(t, "the join", func() bool { return changes.count(presence.Joined, "user-1") == 1 })
	if err := b.Remove(k); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the leave", func() bool { return changes.count(presence.Left, "user-1") == 1 })
	refused.mu.Lock()
	defer refused.mu.Unlock()
	if slices.Sort(refused.refused); len(refused.refused) > 0 {
		t.Errorf("NATS refuses %s", strings.Join(slices.Compact(refused.refused), "\n"))
	}
}
