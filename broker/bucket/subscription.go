package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// maxBuffered is the largest number of messages that wait for the observer. Further ones
// are dropped: the entries are seen with their next renewal, or expire.
const maxBuffered = 64 << 10

// subscribe reads republished keys until ctx ends or nc is closed. replaced receives when
// nc is connected again or closed.
func (r *reader) subscribe(ctx context.Context, nc *nats.Conn, replaced <-chan nats.Status) error {
	subject := r.Prefix.Subject(presence.SubjectPrefix) + presence.KeyFilter(r.Site)
	messages := make(chan *nats.Msg, maxBuffered)
	sub, err := nc.ChanSubscribe(subject, messages)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := checkPermission(ctx, nc, subject); err != nil {
		return err
	}
	r.snapshotDone() // from here on message decides who was present before
	for {
		select {
		case m := <-messages:
			r.message(m)
		case <-replaced:
			if nc.IsClosed() {
				return nats.ErrConnectionClosed
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkPermission returns an error if the connection may not subscribe.
func checkPermission(ctx context.Context, nc *nats.Conn, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	_ = nc.FlushWithContext(ctx) // if NATS cannot be reached, LastError has no violation yet
	err := nc.LastError()
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
		return fmt.Errorf("these credentials may not read %s: %w", subject, err)
	}
	return nil
}

// message handles a republished write. A subscription delivers every message once and in
// order, so each is a newer revision than the one before.
func (r *reader) message(m *nats.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := strings.TrimPrefix(m.Subject, r.Prefix.Subject(presence.SubjectPrefix))
	r.lastSeq++
	w := Write{Name: name, Rev: r.lastSeq}
	if m.Header.Get(OperationHeader) == "" && m.Header.Get("Nats-Marker-Reason") == "" {
		w.Value = m.Data
		w.Conn, w.Stored = r.revisions.Same(name, m.Data)
	}
	isNew := !r.revisions.Knows(name, 0)
	r.revisions.Update(w, time.Since(r.start))
	// In the first TTL most keys are of people who were present before.
	if wasPresent := isNew && m.Header.Get("Nats-Last-Sequence") != "0"; wasPresent && r.SkipPresent && time.Since(r.start) < r.TTL {
		r.silent = true
		defer func() { r.silent = false }()
	}
	r.refresh(name)
}
