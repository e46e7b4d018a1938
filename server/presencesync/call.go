package presencesync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/restapi"
	"github.com/heartbeatd/heartbeatd/server/sitecall"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// idleAge is the age that an entry is given at most, and the age of an entry whose user
// is idle: the table forgets rows after a minute, while an unfocused tab beats every two,
// and the Presence API plugin takes users for idle by the date alone.
const idleAge = presence.IdleAfter + time.Second

// row is an entry in a call.
type row struct {
	Room     string          `json:"room"`
	ClientID string          `json:"client_id"`
	UserID   int64           `json:"user_id"`
	Data     json.RawMessage `json:"data"`
	DateGMT  string          `json:"date_gmt"` // the date of the row
	BeatGMT  string          `json:"beat_gmt"` // when Data was written
}

// request is the body of a call.
type request struct {
	Entries []row       `json:"entries"`
	Left    []departure `json:"left"`
}

// call sends the live entries of a site, and takes over the rows that PHP wrote.
func (y *syncer) call(ctx context.Context, siteID string, state *State, url string) error {
	view, err := y.View(ctx, siteID)
	if err != nil {
		return err
	}
	now := y.Now(siteID)
	left := state.departures()
	ours, theirs := keys(view, state)
	entries, _ := view.List(presence.Filter{}, 0, math.MaxInt)
	body, sent := encode(entries, ours, left, now)
	if y.PublicOnly(siteID, url) {
		ctx = sitecall.PublicOnly(ctx)
	}
	rows, err := y.post(ctx, siteID, url, body)
	if err != nil {
		return err
	}
	y.Answered(siteID, url)
	state.reported(left[:sent])
	y.takeOver(siteID, view, state, rows, theirs)
	return nil
}

// keys returns the entries that pages and back ends wrote, and the keys that earlier
// calls wrote for PHP. The value of an entry in ours is false if the connections of all its
// pages are lost.
func keys(view *broker.View, state *State) (ours map[entryKey]bool, theirs map[presence.Key]bool) {
	ours, theirs = make(map[entryKey]bool), make(map[presence.Key]bool)
	for _, k := range view.Keys(presence.Filter{}) {
		if e := (entryKey{k.Room, k.ClientID}); k.Conn == conn {
			theirs[k] = true
		} else if !isReserved(k.ClientID) {
			ours[e] = ours[e] || !state.isClosed(k)
		}
	}
	return ours, theirs
}

// encode writes the body of a call, up to its limits. Departures come first: sent is
// the number of them.
func encode(entries []presence.Entry, ours map[entryKey]bool, left []departure, now time.Time) (body []byte, sent int) {
	r := request{Entries: []row{}, Left: []departure{}}
	size := len(`{"entries":[],"left":[]}`)
	fits := func(v any) bool {
		b, err := json.Marshal(v)
		size += len(b) + len(`,`)
		return err == nil && size <= maxBody
	}
	for _, d := range left {
		if !fits(d) {
			break
		}
		r.Left = append(r.Left, d)
	}
	oldest, newest := now.Add(-idleAge).UTC().Format(wordpress.DateLayout), now.UTC().Format(wordpress.DateLayout)
	for _, e := range entries {
		if !ours[entryKey{e.Room, e.ClientID}] {
			continue // PHP wrote it, or its page may have gone
		}
		entry := row{e.Room, e.ClientID, e.UserID, e.Data, max(e.DateGMT, oldest), e.DateGMT}
		switch e.Idle {
		case presence.Active:
			entry.DateGMT = newest
		case presence.Idle:
			entry.DateGMT = oldest
		}
		if len(r.Entries) == maxEntries || !fits(entry) {
			break
		}
		r.Entries = append(r.Entries, entry)
	}
	body, _ = json.Marshal(r) // each part was marshaled before
	return body, len(r.Left)
}

// post sends a call, and returns the rows that PHP wrote.
func (y *syncer) post(ctx context.Context, siteID, url string, body []byte) ([]presence.Entry, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	key, err := ticket.SignCall(siteID, y.Secret(siteID), url, y.Now(siteID))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := y.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("WordPress answers with %s", answer.Status)
	case len(b) > maxBody:
		return nil, fmt.Errorf("WordPress answers with more than %d bytes", maxBody)
	}
	var rows struct {
		Entries []presence.Entry `json:"entries"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("decoding the entries of WordPress: %w", err)
	}
	return rows.Entries[:min(len(rows.Entries), maxEntries)], nil
}

// takeOver writes entries for the rows that PHP wrote, and removes those of rows that are
// gone. Where a page has written an entry, the row is that entry.
func (y *syncer) takeOver(siteID string, view *broker.View, state *State, rows []presence.Entry, theirs map[presence.Key]bool) {
	ours, _ := keys(view, state)
	for _, e := range rows {
		k := presence.Key{Site: siteID, Room: e.Room, ClientID: e.ClientID, Conn: conn}
		if _, ok := ours[entryKey{e.Room, e.ClientID}]; ok || isReserved(e.ClientID) || restapi.CheckEntry(&e) != nil {
			continue
		}
		if err := y.Broker.Put(k, presence.Stored{Entry: e}); err == nil || errors.As(err, new(*budget.Error)) {
			delete(theirs, k) // an update that is refused leaves the entry as it was
		}
	}
	for k := range theirs {
		_ = y.Broker.Remove(k) // if this fails, the entry expires
	}
}
