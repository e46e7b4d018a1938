package server

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestCronSendsOneBeatToPHP has several pages beat when their tickets, or a call of the API,
// name an event that is due.
func TestCronSendsOneBeatToPHP(t *testing.T) {
	n := newNode(t)
	declined := func(pages ...*page) (count int) {
		t.Helper()
		for i, p := range pages {
			s := p.socket(t)
			if s.beat(uint64(i+1), p.pinging("dashboard")).Type == "decline" {
				count++
			}
			_ = s.conn.CloseNow()
		}
		return count
	}
	alice, ed := n.page(t, 1), n.page(t, 2)
	if got := declined(alice, ed); got != 0 {
		t.Fatalf("%d beats go to PHP although nothing is due", got)
	}
	with := func(p *page, due time.Time) *page {
		return p.withClaims(t, func(c *ticket.Claims) { c.Cron = due.Unix() })
	}
	if got := declined(with(alice, time.Now().Add(time.Hour)), ed); got != 0 {
		t.Errorf("%d beats go to PHP an hour before an event", got)
	}
	past := time.Now().Add(-time.Second)
	if got := declined(with(alice, past), with(ed, past), with(n.page(t, 3), past)); got != 1 {
		t.Errorf("%d beats go to PHP for one event, want 1", got)
	}
	posted := with(n.page(t, 3), past.Add(-time.Second))
	for i, want := range []int{http.StatusConflict, http.StatusOK} {
		if r := posted.post(t, posted.pinging("dashboard")); r.StatusCode != want {
			t.Errorf("beat %d by POST: status %d, want %d", i, r.StatusCode, want)
		}
	}
	// Another request has scheduled an event that is due earlier.
	if status, answer := n.call(t, "/cron", fmt.Sprintf(`{"at":%d}`, past.Unix()-9)); status != http.StatusAccepted {
		t.Fatalf("%d %v", status, answer)
	}
	c := &n.sites.configured[demoSite].cron
	until(t, "the node receives the event", func() bool { return c.Due() == past.Unix()-9 })
	if got := declined(n.page(t, 1), n.page(t, 2)); got != 0 {
		t.Errorf("%d beats go to PHP although newer tickets name no event", got)
	}
	n.call(t, "/cron", fmt.Sprintf(`{"at":%d}`, past.Unix()-9))
	until(t, "the node receives the event again", func() bool { return c.Due() == past.Unix()-9 })
	if r := posted.post(t, posted.pinging("dashboard")); r.StatusCode != http.StatusConflict {
		t.Errorf("a beat after the API named an event: %d", r.StatusCode)
	}
	for _, body := range []string{`{"at":-1}`, `{"at":1e18}`, `{"at":"now"}`} {
		if status, _ := n.call(t, "/cron", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, status)
		}
	}
}
