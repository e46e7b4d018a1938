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
// are dropped, which is handled like a lost connection.
const maxBuffered = 64 << 10

// subscriber is a running Observe over a connection that may only subscribe. A
// subscription delivers every message once and in order, so there are no revisions to
// compare.
type subscriber struct {
	*reader
	written map[string]int // the value of gaps when a key was last written
	gaps    int            // the number of times that messages were missed
	first   bool           // in the first TTL, in which most keys are of people who were present before
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
	r.silent = false // message skips who was present before
	s := &subscriber{reader: r, written: map[string]int{}, first: true}
	expired := time.NewTimer(r.TTL)
	defer expired.Stop()
	dropped := 0
	for {
		select {
		case m := <-messages:
			s.message(m)
		case <-expired.C:
			s.expire()
		case <-replaced:
			if nc.IsClosed() {
				return nats.ErrConnectionClosed
			}
			s.gaps++
			expired.Reset(r.TTL)
		case <-ctx.Done():
			return ctx.Err()
		}
		if n, _ := sub.Dropped(); n > dropped {
			dropped = n
			s.gaps++
			expired.Reset(r.TTL)
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

func (s *subscriber) message(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, presence.SubjectPrefix)
	if m.Header.Get(OperationHeader) != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		delete(s.written, name)
		s.report(s.fold.RemoveName(name))
		return
	}
	key, stored, err := presence.ParseStored(name, m.Data)
	if err != nil {
		s.Logger.Warn("presence entry ignored", "error", err)
		return
	}
	_, known := s.written[name]
	s.written[name] = s.gaps
	changes := s.fold.PutName(name, key, stored)
	if wasPresent := !known && m.Header.Get("Nats-Last-Sequence") != "0"; wasPresent && s.first && s.SkipPresent {
		return
	}
	s.report(changes)
}

// expire is called one TTL after the start and after each gap: the keys of everybody who
// is present were written since.
func (s *subscriber) expire() {
	s.first = false
	for name, gaps := range s.written {
		if gaps != s.gaps {
			delete(s.written, name)
			s.report(s.fold.RemoveName(name))
		}
	}
}
