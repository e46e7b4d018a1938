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

// maxBuffered is the most messages that may wait for the observer. More are lost, which is
// handled like a time without connection.
const maxBuffered = 64 << 10

// subscriber is an Observe over a connection that may only subscribe. A subscription
// brings every message once and in order, so there are no revisions to compare.
type subscriber struct {
	*reader
	lastHeard map[string]int // the turn in which a key was last written
	turn      int            // counts the times without connection, of which messages are missing
	first     bool           // in the first TTL, in which most keys are of people who were present before
}

// subscribe reads republished keys until ctx ends or nc is closed. replaced receives when
// nc is connected again.
func (r *reader) subscribe(ctx context.Context, nc *nats.Conn, replaced <-chan nats.Status) error {
	subject := presence.SubjectPrefix + presence.KeyFilter(r.Site)
	messages := make(chan *nats.Msg, maxBuffered)
	sub, err := nc.ChanSubscribe(subject, messages)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := checkPermission(ctx, nc, subject); err != nil {
		return err
	}
	r.silent = false // message tells who was present before
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

// checkPermission returns an error if the connection may not subscribe.
func checkPermission(ctx context.Context, nc *nats.Conn, subject string) error {
	ctx, cancel := context.WithTimeout(ctx, bindWait)
	defer cancel()
	_ = nc.FlushWithContext(ctx) // if NATS is away, there is no error yet
	err := nc.LastError()
	if errors.Is(err, nats.ErrPermissionViolation) && strings.Contains(err.Error(), `"`+subject+`"`) {
		return fmt.Errorf("these credentials may not read %s: %w", subject, err)
	}
	return nil
}

func (l *subscriber) message(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, presence.SubjectPrefix)
	if m.Header.Get(OperationHeader) != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		delete(l.lastHeard, name)
		l.tell(l.fold.RemoveName(name))
		return
	}
	key, stored, err := presence.ParseStored(name, m.Data)
	if err != nil {
		l.Logger.Warn("presence entry ignored", "error", err)
		return
	}
	_, known := l.lastHeard[name]
	l.lastHeard[name] = l.turn
	changes := l.fold.PutName(name, key, stored)
	if there := !known && m.Header.Get("Nats-Last-Sequence") != "0"; there && l.first && l.SkipPresent {
		return
	}
	l.tell(changes)
}

// expire is called one TTL after the start and after each time without connection: whoever
// is present was written since.
func (l *subscriber) expire() {
	l.first = false
	for name, turn := range l.lastHeard {
		if turn != l.turn {
			delete(l.lastHeard, name)
			l.tell(l.fold.RemoveName(name))
		}
	}
}
