package ticket

import (
	"context"
	"time"
)

// freshTicket is the age up to which tickets are valid while a node has not read the revocations from NATS.
// Pages with older ones have their beats answered by WordPress, which gives them a new ticket.
const freshTicket = time.Minute

// SetIncomplete says that revocations are not known yet, until SetComplete is called. It is called before
// the verifier is used.
func (v *Verifier) SetIncomplete() { v.incomplete = make(chan struct{}) }

// SetComplete says that all revocations are known that were published before this node started.
func (v *Verifier) SetComplete() {
	v.completed.Do(func() {
		if v.incomplete != nil {
			close(v.incomplete)
		}
	})
}

func (v *Verifier) isComplete() bool {
	if v.incomplete == nil {
		return true
	}
	select {
	case <-v.incomplete:
		return true
	default:
		return false
	}
}

// AwaitComplete returns when the revocations are complete, or when ctx ends.
func (v *Verifier) AwaitComplete(ctx context.Context) {
	if v.incomplete == nil {
		return
	}
	select {
	case <-v.incomplete:
	case <-ctx.Done():
	}
}

// Stored is a revocation of a site, as nodes publish it.
type Stored struct {
	Site string
	Revocation
}

// Lost notes that NATS has lost all revocations.
func (v *Verifier) Lost() {
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, known := range l.bySubject {
		known.stored = none
		l.bySubject[s] = known
	}
}

// Unstored returns some of the revocations that NATS has lost, about as many as most. They are other
// ones on each node, so that several nodes do not publish the same.
func (v *Verifier) Unstored(most int) (list []Stored) {
	l := &v.revocations
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for s, known := range l.bySubject { // in random order
		if len(list) >= most {
			break
		}
		if known.limits == known.stored || s.post != 0 || known.isOver(now) { // that of a post comes with its room's
			continue
		}
		r := Revocation{User: max(s.user, 0), SID: s.sid, Room: s.room, Network: s.user == everyone}
		if known.until != known.stored.until || known.serial != known.stored.serial {
			r.Until, r.Serial = known.until, known.serial
			list = append(list, Stored{s.site, r})
		}
		if known.untilPlain != known.stored.untilPlain && known.serial != 0 {
			r.Until, r.Serial = known.untilPlain, 0
			list = append(list, Stored{s.site, r})
		}
	}
	return list
}
