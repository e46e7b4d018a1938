package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// maxHeard is how many messages may wait for the observer. What comes beyond is
// lost, and made up for like an absence.
const maxBuffered = 64 << 10

// listener is an Observe on a connection that may only subscribe. The server
// tells everything once and in order, so there are no revisions to compare.
type subscriber struct {
	*reader
	lastHeard map[string]int // the turn in which a key was last heard of
	turn      int            // counts the absences: what happened in one was not heard
	first     bool           // in the first TTL, when most keys are those of people who are there
}

// listen hears what is published until ctx ends or nc is closed. On CONNECTED
// turned speaks.
func (r *reader) subscribe(ctx context.Context, nc *nats.Conn, replaced <-chan nats.Status) error {
	subject := subjects + observerFilter(r.Site)
	messages := make(chan *nats.Msg, maxBuffered)
	sub, err := nc.ChanSubscribe(subject, messages)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := checkPermission(ctx, nc, subject); err != nil {
		return err
	}
	r.silent = false // message knows better who was there
	l := &subscriber{reader: r, lastHeard: map[string]int{}, first: true}
	expired := time.NewTimer(r.TTL)
	defer expired.Stop()
	markDown := 0
	for {
		select {
		case m := <-messages:
			l.message(m)
		case <-expired.C:
			l.expire()
		case <-replaced:
			if nc.IsClosed() {
				return nats.ErrConnectionClosed
			}
			l.turn++
			expired.Reset(r.TTL)
		case <-ctx.Done():
			return ctx.Err()
		}
		if n, _ := sub.Dropped(); n > markDown {
			markDown = n
			l.turn++
			expired.Reset(r.TTL)
		}
	}
}

// mayHear asks the server whether it minds the subscription.
func checkPermission(ctx context.Context, nc *nats.Conn, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	_ = nc.FlushWithContext(ctx) // where NATS is away just now, nobody minds yet
	err := nc.LastError()
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
		return fmt.Errorf("these credentials may not read %s: %w", subject, err)
	}
	return nil
}

func (l *subscriber) message(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, subjects)
	if m.Header.Get(kvOperation) != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		delete(l.lastHeard, name)
		l.tell(l.fold.remove(name))
		return
	}
	key, stored, err := parseStored(name, m.Data)
	if err != nil {
		l.Logger.Warn("presence entry ignored", "error", err)
		return
	}
	_, known := l.lastHeard[name]
	l.lastHeard[name] = l.turn
	changes := l.fold.put(name, key, stored)
	if there := !known && m.Header.Get("Nats-Last-Sequence") != "0"; there && l.first && l.SkipPresent {
		return
	}
	l.tell(changes)
}

// expire comes one TTL after the start and after each absence: who is there has
// been heard of since.
func (l *subscriber) expire() {
	l.first = false
	for name, turn := range l.lastHeard {
		if turn != l.turn {
			delete(l.lastHeard, name)
			l.tell(l.fold.remove(name))
		}
	}
}
