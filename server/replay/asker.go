package replay

import (
	"context"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// askWait is how long a new page waits for the position of the stream.
const askWait = time.Second

// Asker asks NATS for the position of the stream of pushes. Pages that come at once ask once.
type Asker struct{ calls singleflight.Group }

// Last returns the cursor of the last message, or none if NATS does not answer.
func (a *Asker) Last(ctx context.Context, from *broker.Broker) topic.Cursor {
	last, _, _ := a.calls.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWait)
		defer cancel()
		last, err := from.Last(ctx, topic.Pushes)
		return last, err
	})
	return last.(topic.Cursor)
}
