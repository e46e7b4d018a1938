package replay

import (
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/clock"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// Opened returns the cursor of a new page that opens at a time of NATS on a node that does not know the
// position of the stream: after the messages of which the node knows, and those that NATS stored before that time.
func (b *Buffer) Opened(now time.Time) string {
	from, _ := b.position("", topic.Cursor{})
	return WithOpened(from, now.Add(-clock.Tolerance))
}

// WithOpened returns a cursor that says when its page opened, unless that is zero. An older node takes it for
// that of another stream: it sends the page the frame missed, and all pushes that it keeps.
func WithOpened(c topic.Cursor, opened time.Time) string {
	if !opened.IsZero() {
		c.Epoch += "@" + strconv.FormatInt(opened.UnixMilli(), 10)
	}
	return c.String()
}

// parseCursor parses the cursor of a page, and the time when the page opened, if the cursor has one. It returns
// the zero Cursor for text that is none.
func parseCursor(text string) (c topic.Cursor, opened time.Time) {
	c, _ = topic.ParseCursor(text)
	epoch, at, _ := strings.Cut(c.Epoch, "@")
	if ms, err := strconv.ParseInt(at, 10, 64); err == nil && epoch != "" {
		c.Epoch, opened = epoch, time.UnixMilli(ms)
	}
	return c, opened
}
