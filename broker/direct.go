package broker

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/health"
)

// NodeSubjects is the beginning of the subjects of messages between nodes that NATS does not
// store, after the prefix of the installation. Who may not publish there cannot speak for a node.
const NodeSubjects = "heartbeatd.node."

// Node returns the name of this node.
func (b *Broker) Node() string { return b.node }

// IsAlone reports whether no other node can use the same NATS.
func (b *Broker) IsAlone() bool { return b.exclusive }

// RunsNATS reports whether NATS is in this process.
func (b *Broker) RunsNATS() bool { return b.server != nil }

// ErrReplaced is the error of a question whose answer may have been lost with the connection to NATS.
var ErrReplaced = errors.New("the connection to NATS was replaced")

// IsConnected reports whether there is a connection to NATS.
func (b *Broker) IsConnected() bool {
	l, _ := b.current()
	return l != nil && l.nc.IsConnected()
}

// Ask sends a message and returns the answer. If nobody hears its subject, the error is
// nats.ErrNoResponders, and comes at once. If this node connects to NATS again meanwhile, it is ErrReplaced.
func (b *Broker) Ask(ctx context.Context, m *nats.Msg) (*nats.Msg, error) {
	l, _ := b.current()
	if l == nil {
		return nil, nats.ErrDisconnected
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.replaced, func() { cancel(ErrReplaced) })()
	answer, err := l.nc.RequestMsgWithContext(ctx, b.prefixed(m))
	if err != nil && errors.Is(context.Cause(ctx), ErrReplaced) {
		return nil, ErrReplaced
	}
	return answer, err
}

// Tell sends a message to the nodes that hear its subject at this moment.
func (b *Broker) Tell(m *nats.Msg) error {
	l, _ := b.current()
	if l == nil {
		return nats.ErrDisconnected
	}
	return l.nc.PublishMsg(b.prefixed(m))
}

// prefixed returns a message whose subject has the prefix of the installation.
func (b *Broker) prefixed(m *nats.Msg) *nats.Msg {
	copied := *m
	copied.Subject = b.config.NATS.Prefix.Subject(m.Subject)
	return &copied
}

// Hear calls fn with each message on a subject, in order, until the broker is closed. The subject of the message has the
// prefix of the installation. fn must not block.
func (b *Broker) Hear(subject string, fn nats.MsgHandler) {
	b.wg.Go(func() {
		var on *nats.Conn // it subscribes again itself when it has reconnected
		for b.ctx.Err() == nil {
			l, replaced := b.current()
			if l != nil && l.nc != on {
				if _, err := l.nc.Subscribe(b.config.NATS.Prefix.Subject(subject), fn); err != nil {
					b.logLimited("a subject cannot be subscribed, trying again", "subject", subject, "error", err)
					pause(b.ctx, health.RetryWait)
					continue
				}
				on = l.nc
			}
			select {
			case <-replaced:
			case <-b.ctx.Done():
			}
		}
	})
}
