package wordpress

import (
	"sync/atomic"
	"time"
)

// DateLayout is how WordPress writes a GMT date.
const DateLayout = "2006-01-02 15:04:05"

// lastDate is the result of the last Date: a busy server calls Date many times within a
// second.
var lastDate atomic.Pointer[writtenDate]

type writtenDate struct {
	unix int64
	text string
}

// Date writes a time as a GMT date.
func Date(t time.Time) string {
	last := lastDate.Load()
	if last == nil || last.unix != t.Unix() {
		last = &writtenDate{t.Unix(), t.UTC().Format(DateLayout)}
		lastDate.Store(last)
	}
	return last.text
}
