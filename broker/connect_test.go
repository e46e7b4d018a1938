package broker

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestInvalidURL checks that a URL that cannot be parsed is an error at once, and that neither the
// error nor a log has its password.
func TestInvalidURL(t *testing.T) {
	for _, url := range []string{"nats://user:secret@host:port", "nats://user:sec ret@127.0.0.1:4222"} {
		b, err := Open(t.Context(), Config{URL: url})
		switch {
		case err == nil:
			t.Errorf("%s: no error, and the broker says %v", url, b.Ready())
			_ = b.Close()
		case strings.Contains(err.Error(), "sec"):
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// TestEndOfWatch checks for which failures of a watch the node leaves its server: for one that did
// not begin in time, but not at once for one that has worked for an hour.
func TestEndOfWatch(t *testing.T) {
	for began, leaves := range map[time.Duration]bool{bindWait: true, time.Hour: false} {
		b := manualBroker()
		b.start = time.Now().Add(-2 * time.Hour)
		b.failedToRead(errors.New("the watch has ended"), b.clock()-began)
		if b.mustLeave() != leaves {
			t.Errorf("a watch of %v: leaves %v", began, !leaves)
		}
	}
}
