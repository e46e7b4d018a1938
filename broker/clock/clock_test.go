package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPeer asks a peer whose clock is two minutes ahead, over a path of varying speed. The fastest
// of the last answers counts.
func TestPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Peer
		if ahead := p.Ahead(); ahead != 0 {
			t.Errorf("before the first answer the peer is ahead by %v", ahead)
		}
		ask := func(there, back time.Duration, ahead time.Duration) {
			sent := time.Now()
			time.Sleep(there)
			theirs := time.Now().Round(0).Add(ahead)
			time.Sleep(back)
			p.Answered(theirs, sent, time.Now())
		}
		const ahead = 2 * time.Minute
		ask(time.Millisecond, time.Millisecond, ahead)
		for range kept - 1 {
			ask(0, time.Second, ahead)
		}
		if got := p.Ahead(); got != ahead {
			t.Errorf("ahead by %v, want %v", got, ahead)
		}
		time.Sleep(time.Hour)
		if got := p.Now().Sub(time.Now().Round(0)); got != ahead {
			t.Errorf("an hour later it is ahead by %v, want %v", got, ahead)
		}
		ask(time.Second, time.Second, -ahead) // its clock was set
		if got := p.Ahead(); got != -ahead {
			t.Errorf("ahead by %v, want %v", got, -ahead)
		}
		stored := p.Now()
		time.Sleep(time.Minute)
		if age := p.Age(stored); age != time.Minute {
			t.Errorf("stored a minute ago: %v", age)
		}
		if age := p.Age(stored.Add(time.Hour)); age != 0 {
			t.Errorf("stored in an hour: %v", age)
		}
		if !p.Follows(stored, stored.Add(Tolerance)) || p.Ahead() != -ahead {
			t.Error("a time that is a little earlier counts as a clock that was set back")
		}
		if p.Follows(stored.Add(-time.Minute), stored) || p.Age(stored) != 0 {
			t.Error("the answers of a clock that was set back still count")
		}
		p.Answered(time.Now(), time.Now(), time.Now())
		if p.Forget(); p.Ahead() != 0 {
			t.Errorf("ahead by %v without any answer", p.Ahead())
		}
	})
}

// TestSigner checks what follows from the times that a machine has signed.
func TestSigner(t *testing.T) {
	now := time.Now()
	type signed struct {
		age   time.Duration // by this machine's clock; negative: in the future
		isKey bool
	}
	for _, c := range []struct {
		name string
		all  []signed
		want time.Duration
	}{
		{"nothing", nil, 0},
		{"an old ticket", []signed{{50 * time.Minute, false}}, 0},
		{"a ticket of the future proves it", []signed{{time.Minute, false}, {-2 * time.Minute, false}, {time.Minute, true}}, 2 * time.Minute},
		{"keys that took a while", []signed{{time.Second, true}, {time.Second, true}, {3 * time.Second, true}}, 0},
		{"old keys", []signed{{2 * time.Minute, true}, {3 * time.Minute, true}, {4 * time.Minute, true}}, -2 * time.Minute},
		{"two old keys", []signed{{2 * time.Minute, true}, {3 * time.Minute, true}}, 0},
		{"old keys and a new ticket", []signed{{2 * time.Minute, true}, {3 * time.Minute, true}, {4 * time.Minute, true}, {time.Second, false}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Signer
			for _, one := range c.all {
				s.Signed(now.Add(-one.age), now, one.isKey)
			}
			if got := s.Ahead(now); got != c.want {
				t.Errorf("ahead by %v, want %v", got, c.want)
			}
			if got := s.Ahead(now.Add(period)); got != c.want {
				t.Errorf("a period later: ahead by %v, want %v", got, c.want)
			}
			if got := s.Ahead(now.Add(2 * period)); got != 0 {
				t.Errorf("two periods later: ahead by %v, want 0", got)
			}
		})
	}
}
