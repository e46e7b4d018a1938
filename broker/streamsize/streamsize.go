// Package streamsize keeps the limits of streams in NATS low while little is in them: NATS reserves the limit.
package streamsize

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/heartbeatd/heartbeatd/broker/problem"
)

const (
	// growRetry is the time to the next attempt after NATS had no room.
	growRetry = 30 * time.Second
	// GrowTime is the longest time in which a node makes a stream larger.
	GrowTime = 4 * time.Second
	// UpdateWait is the time within which NATS must update a stream. It does not answer a user who may not do
	// that, and messages wait meanwhile.
	UpdateWait = time.Second
	// pollWait is the time after which a node looks again whether another node has made a stream larger.
	pollWait = 20 * time.Millisecond
)

// Stream is a stream that may grow.
type Stream struct {
	JS    jetstream.JetStream
	Name  string
	Max   int64                                   // the largest limit of its bytes
	Lease func(ctx context.Context) (bool, error) // returns true to one node for GrowTime, or until it calls End
	End   func()
}

// Size is what a node knows of the size of a stream. New makes one.
type Size struct {
	growing chan struct{} // has an element while this node makes the stream larger

	mu         sync.Mutex // guards the following; no other lock is taken under it
	limit      int64      // as NATS enforces it; -1: none
	used       int64      // at most: what has expired, and twice what this node has sent and received, is counted until the next request
	pending    int64      // what this node is storing
	sinceEpoch int64      // what this node has received since the epoch
	refused    problem.Last
}

// New returns the size of a stream that is not known yet.
func New() *Size { return &Size{limit: -1, growing: make(chan struct{}, 1)} }

// Note takes what NATS says of the stream.
func (s *Size) Note(info *jetstream.StreamInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.used = info.Config.MaxBytes, int64(info.State.Bytes)
}

// Received takes a message of n bytes that this node has received, which may be the epoch of the stream. It reports
// whether the epoch should be written again: NATS removes the oldest messages from a full stream.
func (s *Size) Received(n int64, isEpoch bool) (due bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used += n
	s.sinceEpoch += n
	due = !isEpoch && s.limit > 0 && s.sinceEpoch > s.limit/4
	if isEpoch || due {
		s.sinceEpoch = 0
	}
	return due
}

// Refused returns the limit of the stream, and why NATS has not raised it, unless that is older than age.
func (s *Size) Refused(age time.Duration) (limit int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit, s.refused.Within(age)
}

// mustGrow reports whether the limit should be raised. It is raised when a quarter is in use, because this
// node does not know of what other nodes are storing at the moment.
func (s *Size) mustGrow(limit int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit > 0 && s.limit < limit && s.used+s.pending > s.limit/4 && s.refused.Within(growRetry) == nil
}

func (s *Size) hasLimit(limit int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limit == limit
}

// MakeRoom raises the limit of a stream if n more bytes need it, which the caller then stores before it calls Stored. If
// NATS has no room, which is the error, NATS removes the oldest messages earlier.
func (s *Size) MakeRoom(ctx context.Context, of Stream, n int64) error {
	s.mu.Lock()
	s.pending += n
	s.mu.Unlock()
	if s.mustGrow(of.Max) {
		return s.growAlone(ctx, of)
	}
	return nil
}

// Stored takes n bytes that are stored after MakeRoom, or failed to be.
func (s *Size) Stored(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending -= n
	s.used += n
}

// growAlone calls grow in one goroutine of this node at a time.
func (s *Size) growAlone(ctx context.Context, of Stream) error {
	select {
	case s.growing <- struct{}{}:
		defer func() { <-s.growing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !s.mustGrow(of.Max) {
		return nil
	}
	err := s.grow(ctx, of)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = problem.Now(err)
	return err
}

// grow doubles the limit of a stream, or waits until another node has done so: a NATS server that is in no cluster
// counts wrongly what it reserves if a stream is updated twice at the same time.
func (s *Size) grow(ctx context.Context, of Stream) error {
	mine := false
	for {
		now, err := of.JS.Stream(ctx, of.Name)
		if err != nil {
			return err
		}
		if mine || s.hasLimit(now.CachedInfo().Config.MaxBytes) { // otherwise another node may be trying a limit
			s.Note(now.CachedInfo())
			if !s.mustGrow(of.Max) {
				return nil
			}
		}
		if mine {
			return s.enlarge(ctx, of, now.CachedInfo().Config)
		}
		if mine, err = of.Lease(ctx); err != nil {
			return err
		}
		if mine { // it looks again what the other nodes have done before
			defer of.End()
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollWait):
		}
	}
}

// enlarge doubles the limit if NATS has room for half as much again. The rest is for presence and the other streams.
func (s *Size) enlarge(ctx context.Context, of Stream, config jetstream.StreamConfig) error {
	limit := min(2*config.MaxBytes, of.Max)
	for _, config.MaxBytes = range []int64{limit + limit/2, limit} {
		larger, err := Update(ctx, of.JS, config)
		if err != nil {
			return err
		}
		if config.MaxBytes == limit {
			s.Note(larger.CachedInfo())
		}
		ctx = context.WithoutCancel(ctx) // so that the limit does not stay at the first
	}
	return nil
}

// Update updates a stream within UpdateWait.
func Update(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, UpdateWait)
	defer cancel()
	return js.UpdateStream(ctx, config)
}
