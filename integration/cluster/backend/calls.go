package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/balancer"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	// entryWait is how long the plugin waits for an answer to an entry, and callWait how long this
	// program waits for the answer to a push or a revocation.
	entryWait = 300 * time.Millisecond
	callWait  = 5 * time.Second
)

// AdminRoom is the room of everybody who is online.
const AdminRoom = "admin/online"

// call makes a call of the API with a key of the site, and returns the body of a successful answer.
func (b *Backend) call(ctx context.Context, site, method, path string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+balancer.Admin+"/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	key, err := ticket.SignKey(site, b.secrets[site], ticket.ForAPI, time.Now())
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := b.api.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s: status %d: %.200s", path, answer.StatusCode, got)
	}
	return got, err
}

// writeEntries writes the entries of a page that has no link.
func (b *Backend) writeEntries(p Place) {
	data := map[string]string{"screen": p.Screen, "screen_label": p.Screen}
	b.writeEntry(p, AdminRoom, fmt.Sprint("user-", p.User.ID), data)
	if p.Post != 0 {
		b.writeEntry(p, p.Room(), fmt.Sprint("editor-", p.User.ID), map[string]string{"action": "editing", "screen": p.Screen})
	}
}

func (b *Backend) writeEntry(p Place, room, client string, data map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), entryWait)
	defer cancel()
	_, err := b.call(ctx, p.User.Site, "PUT", "/presence", map[string]any{
		"room": room, "client_id": client, "user_id": p.User.ID, "conn": p.Conn, "display_name": fmt.Sprint("User ", p.User.ID), "data": data,
	})
	if err != nil {
		b.mu.Lock()
		b.failed++
		b.mu.Unlock()
	}
}

// To is the target of a push: one of a room, a user and everybody of a site.
type To struct {
	Room string `json:"room,omitempty"`
	User int64  `json:"user,omitempty"`
	All  bool   `json:"all,omitempty"`
}

// Push pushes data, and returns its cursor. After an error heartbeatd may have accepted it, or not.
func (b *Backend) Push(ctx context.Context, site string, to To, data any) (cursor string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	text, err := b.call(ctx, site, "POST", "/push", map[string]any{"to": to, "data": data})
	if err != nil {
		return "", err
	}
	var answer struct{ Cursor string }
	err = json.Unmarshal(text, &answer)
	return answer.Cursor, err
}

// Nudge makes all pages of a site beat within spread.
func (b *Backend) Nudge(ctx context.Context, site string, spread time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	_, err := b.call(ctx, site, "POST", "/nudge", map[string]any{"to": To{All: true}, "spread_ms": spread.Milliseconds()})
	return err
}

// LogOut ends a user's log-in, and calls heartbeatd until it has accepted the revocation.
func (b *Backend) LogOut(ctx context.Context, u User) error {
	b.mu.Lock()
	b.loggedOut[u] = true
	b.serials[u] = time.Now().UnixMilli()
	serial := b.serials[u]
	b.mu.Unlock()
	for {
		once, cancel := context.WithTimeout(ctx, callWait)
		_, err := b.call(once, u.Site, "POST", "/revoke", map[string]any{"user": u.ID, "serial": serial})
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(time.Second):
		}
	}
}
