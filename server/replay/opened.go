package replay

import (
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/clock"
)

// Opened returns the cursor of a new page that opens at a time of NATS on a node that does not know the
// position of the stream: after the messages of which the node knows, and those that NATS stored before that time.
func (b *Buffer) Opened(now time.Time) string {
	from, _ := b.position("", "")
	return WithOpened(from, now.Add(-clock.Tolerance))
}

// WithOpened returns a cursor that says when its page opened, unless that is zero.
func WithOpened(c broker.Cursor, opened time.Time) string {
	if opened.IsZero() {
		return c.String()
	}
	return c.String() + "@" + strconv.FormatInt(opened.UnixMilli(), 10)
}

// cutOpened returns a cursor without the time when its page opened, and that time.
func cutOpened(cursor string) (rest string, opened time.Time) {
	rest, text, found := strings.Cut(cursor, "@")
	ms, err := strconv.ParseInt(text, 10, 64)
	if !found || err != nil {
		return cursor, time.Time{}
	}
	return rest, time.UnixMilli(ms)
}
