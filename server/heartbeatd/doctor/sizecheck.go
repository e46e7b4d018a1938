package doctor

import (
	"context"
	"net/http"
	"strings"

	"github.com/heartbeatd/heartbeatd/transport"
)

// checkSize sends the largest beat that a page sends over a link, and headers as large as those of
// a page: cookies of 4 KiB beside a ticket.
func (d *checkup) checkSize(ctx context.Context) Finding {
	if !d.postWorks {
		return skipped("large requests were not checked: a small one does not pass")
	}
	beat := "action=heartbeat&data%5Bdoctor%5D="
	beat += strings.Repeat("x", transport.MaxBody-len(beat))
	header := map[string]string{"Content-Type": formType}
	if d.hasTicket() {
		p, err := d.newPage()
		if err != nil {
			return invalidFlag(err)
		}
		header["Heartbeat-Ticket"] = p.ticket
	}
	a, err := d.sendTimed(ctx, http.MethodPost, d.url("/beat"), beat, header)
	switch {
	case err != nil:
		return d.diagnoseError(d.url("/beat"), err)
	case a.status != http.StatusConflict && !isRefusal(a):
		return d.diagnose(a)
	}
	cookie := "heartbeatd_doctor_a=" + strings.Repeat("a", 2000) + "; heartbeatd_doctor_b=" + strings.Repeat("b", 2000)
	a, err = d.sendTimed(ctx, http.MethodPost, d.urlWith("/beat", unusedID(), "type=beat"), "action=heartbeat", map[string]string{
		"Content-Type": formType, transport.SessionHeader: "none", "Cookie": cookie, "Heartbeat-Ticket": strings.Repeat("t", largestTicket),
	})
	switch {
	case err != nil:
		return d.diagnoseError(d.url("/beat"), err)
	case a.status != http.StatusGone:
		return d.diagnose(a)
	}
	return ok("a beat of %d KiB passes, and so do headers of 6 KiB", transport.MaxBody>>10)
}

// isRefusal reports whether an answer to a beat by POST is heartbeatd's refusal of a ticket.
func isRefusal(a *answer) bool {
	return a.status == http.StatusForbidden && (strings.Contains(a.body, "no ticket") || strings.HasPrefix(a.body, "bye 4003"))
}
