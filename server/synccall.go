package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/restapi"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// syncIdle is how old an entry is called that is older, or whose user is idle: the
// table forgets rows of a minute, an unfocused tab beats every two, and who is idle
// the Presence API plugin tells by the date alone.
const syncIdle = broker.IdleAfter + time.Second

// syncEntry is an entry in a call.
type syncEntry struct {
	Room     string          `json:"room"`
	ClientID string          `json:"client_id"`
	UserID   int64           `json:"user_id"`
	Data     json.RawMessage `json:"data"`
	DateGMT  string          `json:"date_gmt"`
}

// syncRequest is the body of a call.
type syncRequest struct {
	Entries []syncEntry `json:"entries"`
	Left    []leaving   `json:"left"`
}

// call brings the site what is live and takes back what PHP wrote.
func (y *syncer) call(ctx context.Context, st *site, to string) error {
	view, err := st.watch(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	left := st.syncs.leavers()
	ours, theirs := seats(view)
	entries, _ := view.List(broker.Filter{}, 0, math.MaxInt)
	body, sent := syncBody(entries, ours, left, now)
	rows, err := y.ask(ctx, st, to, body)
	if err != nil {
		return err
	}
	st.syncs.toldOf(left[:sent])
	y.takeBack(st, view, rows, theirs)
	return nil
}

// seats are the places that a page, or a back end, has taken, and the keys that
// earlier calls wrote.
func seats(view *broker.View) (ours map[seat]bool, theirs map[broker.Key]bool) {
	ours, theirs = make(map[seat]bool), make(map[broker.Key]bool)
	for _, k := range view.Keys(broker.Filter{}) {
		if k.Conn == syncConn {
			theirs[k] = true
		} else {
			ours[seat{k.Room, k.ClientID}] = true
		}
	}
	return ours, theirs
}

// syncBody writes as much as may be in a call, those who left first, and says
// how many of them.
func syncBody(entries []broker.Entry, ours map[seat]bool, left []leaving, now time.Time) (body []byte, sent int) {
	r := syncRequest{Entries: []syncEntry{}, Left: []leaving{}}
	size := len(`{"entries":[],"left":[]}`)
	fits := func(v any) bool {
		b, err := json.Marshal(v)
		size += len(b) + len(`,`)
		return err == nil && size <= maxSyncBody
	}
	for _, l := range left {
		if !fits(l) {
			break
		}
		r.Left = append(r.Left, l)
	}
	oldest, newest := now.Add(-syncIdle).UTC().Format(wordpress.DateLayout), now.UTC().Format(wordpress.DateLayout)
	for _, e := range entries {
		if !ours[seat{e.Room, e.ClientID}] {
			continue // PHP's own
		}
		entry := syncEntry{e.Room, e.ClientID, e.UserID, e.Data, max(e.DateGMT, oldest)}
		switch e.Idle {
		case broker.Active:
			entry.DateGMT = newest
		case broker.Idle:
			entry.DateGMT = oldest
		}
		if len(r.Entries) == maxSync || !fits(entry) {
			break
		}
		r.Entries = append(r.Entries, entry)
	}
	body, _ = json.Marshal(r) // as its parts could be
	return body, len(r.Left)
}

// ask makes the call.
func (y *syncer) ask(ctx context.Context, st *site, to string, body []byte) ([]broker.Entry, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	// While one secret replaces another WordPress may still have the old one only.
	signed, err := ticket.SignKey(st.ID, st.Secrets[len(st.Secrets)-1], ticket.ForSite, time.Now())
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+signed)
	r.Header.Set("Content-Type", "application/json")
	answer, err := y.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxSyncBody+1))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("WordPress answers %s", answer.Status)
	case len(said) > maxSyncBody:
		return nil, fmt.Errorf("WordPress answers with more than %d bytes", maxSyncBody)
	}
	var rows struct {
		Entries []broker.Entry `json:"entries"`
	}
	if err := json.Unmarshal(said, &rows); err != nil {
		return nil, fmt.Errorf("WordPress does not answer with entries: %w", err)
	}
	return rows.Entries[:min(len(rows.Entries), maxSync)], nil
}

// takeBack shows the rows that PHP wrote, and no longer those that are gone. A
// row of somebody whose page is here says nothing new.
func (y *syncer) takeBack(st *site, view *broker.View, rows []broker.Entry, theirs map[broker.Key]bool) {
	ours, _ := seats(view)
	for _, e := range rows {
		k := broker.Key{Site: st.ID, Room: e.Room, ClientID: e.ClientID, Conn: syncConn}
		if ours[seat{e.Room, e.ClientID}] || restapi.CheckEntry(&e) != nil {
			continue
		}
		if y.server.broker.Put(k, broker.Stored{Entry: e}) == nil {
			delete(theirs, k)
		}
	}
	for k := range theirs {
		_ = y.server.broker.Remove(k) // refused, it expires
	}
}
