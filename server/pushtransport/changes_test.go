package pushtransport

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heartbeatd/heartbeatd/server/message"
)

// pushes records what a Changes pushes, and when.
type pushes struct {
	mu    sync.Mutex
	start time.Time
	list  []string // as "1.25s admin/online"
}

func (p *pushes) push(rooms []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, time.Since(p.start).String()+" "+strings.Join(rooms, " "))
}

func (p *pushes) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.list, ", ")
}

// TestRoomChanges checks which reports are pushed, and when.
func TestRoomChanges(t *testing.T) {
	at := func(room, state string) message.Message {
		return message.Message{Rooms: []message.RoomState{{Room: room, State: state}}}
	}
	members := func(state, members string, beat bool) message.Message {
		return message.Message{Rooms: []message.RoomState{{Room: "a/b", State: state, Members: members}}, Beat: beat}
	}
	forced := message.Message{Rooms: []message.RoomState{{Room: "a/b", State: "1", Forced: true}}}
	for name, c := range map[string]struct {
		reports []message.Message // one every 100 ms
		want    string
	}{
		"a change":                              {[]message.Message{at("a/b", "1")}, "0s a/b"},
		"the same state":                        {[]message.Message{at("a/b", "1"), at("a/b", "1")}, "0s a/b"},
		"the same state, forced":                {[]message.Message{at("a/b", "1"), forced}, "0s a/b, 1s a/b"},
		"many changes of a room":                {[]message.Message{at("a/b", "1"), at("a/b", "2"), at("a/b", "3"), at("a/b", "4")}, "0s a/b, 1s a/b"},
		"changes of two rooms":                  {[]message.Message{at("a/b", "1"), at("c/d", "1"), at("a/b", "2")}, "0s a/b, 250ms c/d, 1s a/b"},
		"a beat that writes the other screen":   {[]message.Message{members("1", "x", false), members("2", "x", true), members("1", "x", true)}, "0s a/b"},
		"a beat of a newcomer":                  {[]message.Message{members("1", "x", false), members("2", "y", true)}, "0s a/b, 1s a/b"},
		"another screen, without a beat":        {[]message.Message{members("1", "x", false), members("2", "x", false)}, "0s a/b, 1s a/b"},
		"no state":                              {[]message.Message{at("a/b", ""), at("a/b", "")}, "0s a/b, 1s a/b"},
		"a room that changes back and is known": {[]message.Message{at("a/b", "1"), at("c/d", "1"), at("c/d", "1")}, "0s a/b, 250ms c/d"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes Changes
				p := &pushes{start: time.Now()}
				for _, msg := range c.reports {
					changes.Take(msg, nil, time.Now(), p.push)
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(10 * time.Second)
				if got := p.String(); got != c.want {
					t.Errorf("pushed %s; want %s", got, c.want)
				}
			})
		})
	}
}

// TestExpiredRowIsPushed checks that a room is pushed when a row has expired, once, unless the
// row was renewed before.
func TestExpiredRowIsPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		p := &pushes{start: time.Now()}
		report := func(expiresIn time.Duration) {
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", State: "1", Expires: time.Now().Add(expiresIn).Unix()}}}, nil, time.Now(), p.push)
		}
		report(60 * time.Second)
		time.Sleep(50 * time.Second)
		report(60 * time.Second)
		time.Sleep(time.Hour)
		if got, want := p.String(), "0s a/b, 1m51.1s a/b"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
		report(-time.Second)
		time.Sleep(time.Minute)
		changes.Stop()
		report(time.Second)
		time.Sleep(time.Minute)
		if n := strings.Count(p.String(), "a/b"); n != 3 {
			t.Errorf("pushed %v; want one more before the end", p)
		}
	})
}

// TestRecalledRow checks that other pages are told of a removed row when the pages of its user have
// had the time to write it again.
func TestRecalledRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		p := &pushes{start: time.Now()}
		report := func(state string, recalled ...string) {
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", State: state}}}, recalled, time.Now(), p.push)
		}
		report("1")
		time.Sleep(5 * time.Second)
		report("2", "a/b")
		time.Sleep(200 * time.Millisecond)
		report("1")
		time.Sleep(5 * time.Second)
		if got, want := p.String(), "0s a/b, 5.5s a/b"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
	})
}

// TestPaceOfARoom checks that a room which changes all the time is pushed less and less often, and
// soon again after a quiet time.
func TestPaceOfARoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		defer changes.Stop()
		start := time.Now()
		var pushed []time.Duration
		var mu sync.Mutex
		change := func(times int) {
			for range times {
				changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", Forced: true}}}, nil, time.Now(), func([]string) {
					mu.Lock()
					defer mu.Unlock()
					pushed = append(pushed, time.Since(start))
				})
				time.Sleep(200 * time.Millisecond)
			}
		}
		change(5 * 60)
		mu.Lock()
		if n := len(pushed); n < 10 || n > 13 || pushed[4] != 4*time.Second || pushed[5] != 6*time.Second {
			t.Errorf("a minute of changes is pushed at %v", pushed)
		}
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		before := len(pushed)
		mu.Unlock()
		again := time.Since(start)
		change(9)
		mu.Lock()
		defer mu.Unlock()
		if n := len(pushed) - before; n != 2 || pushed[before] != again {
			t.Errorf("after a quiet time, from %v: pushed at %v", again, pushed[before:])
		}
	})
}

// TestPastExpiry checks that a row which has expired is not pushed again.
func TestPastExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		defer changes.Stop()
		p := &pushes{start: time.Now()}
		for range 3 {
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", State: "1", Expires: time.Now().Add(-time.Hour).Unix()}}}, nil, time.Now(), p.push)
			time.Sleep(10 * time.Second)
		}
		if got, want := p.String(), "0s a/b"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
	})
}
