package pushtransport

import (
	"slices"
	"strconv"
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
		"the same state, forced":                {[]message.Message{at("a/b", "1"), forced}, "0s a/b, 250ms a/b"},
		"many changes of a room":                {[]message.Message{at("a/b", "1"), at("a/b", "2"), at("a/b", "3"), at("a/b", "4")}, "0s a/b, 250ms a/b, 500ms a/b"},
		"changes of two rooms":                  {[]message.Message{at("a/b", "1"), at("c/d", "1"), at("a/b", "2")}, "0s a/b, 250ms a/b c/d"},
		"a beat that writes the other screen":   {[]message.Message{members("1", "x", false), members("2", "x", true), members("1", "x", true)}, "0s a/b"},
		"a beat of a newcomer":                  {[]message.Message{members("1", "x", false), members("2", "y", true)}, "0s a/b, 250ms a/b"},
		"another screen, without a beat":        {[]message.Message{members("1", "x", false), members("2", "x", false)}, "0s a/b, 250ms a/b"},
		"no state":                              {[]message.Message{at("a/b", ""), at("a/b", "")}, "0s a/b, 250ms a/b"},
		"a room that changes back and is known": {[]message.Message{at("a/b", "1"), at("c/d", "1"), at("c/d", "1")}, "0s a/b, 250ms c/d"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes Changes
				p := &pushes{start: time.Now()}
				for _, msg := range c.reports {
					changes.Take(msg, time.Now(), p.push)
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
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", State: "1", Expires: time.Now().Add(expiresIn).Unix()}}}, time.Now(), p.push)
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

// TestRemovedRow checks that pages are told of a removed row of a user when other pages of that user
// have had the time to write it again, and of other rows at once.
func TestRemovedRow(t *testing.T) {
	for name, c := range map[string]struct{ room, client, want string }{
		"a user":            {"admin/online", "user-1", "0s admin/online, 5.5s admin/online"},
		"an editor":         {"postType/post:4", "editor-1", "0s postType/post:4, 5.5s postType/post:4"},
		"an entry of a job": {"admin/online", "import", "0s admin/online, 5s admin/online, 5.25s admin/online"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var changes Changes
				p := &pushes{start: time.Now()}
				report := func(state string, removed ...string) {
					changes.Take(message.Message{Rooms: []message.RoomState{{Room: c.room, State: state, Removed: removed}}}, time.Now(), p.push)
				}
				report("1")
				time.Sleep(5 * time.Second)
				report("2", c.client)
				time.Sleep(200 * time.Millisecond)
				report("1")
				time.Sleep(5 * time.Second)
				if got := p.String(); got != c.want {
					t.Errorf("pushed %s; want %s", got, c.want)
				}
			})
		})
	}
}

// TestRowThatIsBack checks that pages are told at once when another page has written a removed row again.
func TestRowThatIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		defer changes.Stop()
		p := &pushes{start: time.Now()}
		report := func(state, members string, removed ...string) {
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "admin/online", State: state, Members: members, Removed: removed}}}, time.Now(), p.push)
		}
		report("dashboard", "user-1")
		time.Sleep(5 * time.Second)
		report("", "nobody", "user-1")
		time.Sleep(100 * time.Millisecond)
		report("about", "user-1")
		time.Sleep(5 * time.Second)
		if got, want := p.String(), "0s admin/online, 5.1s admin/online"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
	})
}

// TestChangesOfOneAction checks that three changes which follow each other in a quiet room are each
// pushed at once, and that bursts of changes do not make more than a push a second on average.
func TestChangesOfOneAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var changes Changes
		defer changes.Stop()
		p := &pushes{start: time.Now()}
		burst := func(times int) {
			for range times {
				changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", Forced: true}}}, time.Now(), p.push)
				time.Sleep(300 * time.Millisecond)
			}
		}
		for range 2 {
			burst(3)
			time.Sleep(5 * time.Second)
		}
		if got, want := p.String(), "0s a/b, 300ms a/b, 600ms a/b, 5.9s a/b, 6.2s a/b, 6.5s a/b"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
		before, start := strings.Count(p.String(), "a/b"), time.Now()
		for range 15 { // as if somebody clicks every two seconds
			burst(3)
			time.Sleep(1100 * time.Millisecond)
		}
		if n, most := strings.Count(p.String(), "a/b")-before, int(time.Since(start)/roomPace)+quickPushes; n < 3 || n > most {
			t.Errorf("%d pushes in %v; want at most %d", n, time.Since(start), most)
		}
	})
}

// pushedAt returns when a room is pushed to which report i is added every 400 ms for so long.
func pushedAt(d time.Duration, report func(i int) message.RoomState) (at []time.Duration) {
	var changes Changes
	var mu sync.Mutex
	start := time.Now()
	for i := 0; time.Since(start) < d; i++ {
		r := report(i)
		r.Room = "admin/online"
		changes.Take(message.Message{Rooms: []message.RoomState{r}}, time.Now(), func([]string) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
		})
		time.Sleep(400 * time.Millisecond)
	}
	changes.Stop()
	mu.Lock()
	defer mu.Unlock()
	return at
}

// longest returns the longest time between two of the times, of which the first is 0.
func longest(at []time.Duration) (d time.Duration) {
	for i, t := range at[1:] {
		d = max(d, t-at[i])
	}
	return d
}

// TestManyRemovedRows checks that rows which are removed all the time do not keep a room from being
// pushed.
func TestManyRemovedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := pushedAt(time.Minute, func(i int) message.RoomState {
			return message.RoomState{State: strconv.Itoa(i), Removed: []string{"user-1"}}
		})
		if len(at) < 8 || longest(at) > maxRoomPace+recallTime {
			t.Errorf("without members: pushed at %v", at)
		}
		at = pushedAt(20*time.Second, func(i int) message.RoomState {
			return message.RoomState{State: strconv.Itoa(i), Members: strconv.Itoa(i), Removed: []string{"user-1"}}
		})
		if len(at) < 12 || longest(at) > roomPace+recallTime {
			t.Errorf("with members: pushed at %v", at)
		}
	})
}

// TestArrivalInABusyRoom checks that somebody who comes is told within about a second, also in a room
// that changes all the time, and that a room in which somebody comes all the time is not pushed once
// a second for ever.
func TestArrivalInABusyRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := pushedAt(time.Minute, func(i int) message.RoomState {
			return message.RoomState{State: strconv.Itoa(i), Members: strconv.FormatBool(i >= 100)}
		})
		if n := len(at); n > 17 || !slices.ContainsFunc(at, func(d time.Duration) bool { return d >= 40*time.Second && d <= 40*time.Second+roomPace }) {
			t.Errorf("somebody comes after 40 s: pushed at %v", at)
		}
		at = pushedAt(5*time.Minute, func(i int) message.RoomState {
			return message.RoomState{State: strconv.Itoa(i), Members: strconv.Itoa(i)}
		})
		if n := len(at); longest(at[:fastArrivals]) > roomPace || n > fastArrivals+quickPushes+30 || longest(at) > maxRoomPace {
			t.Errorf("somebody comes all the time: pushed at %v", at)
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
				changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", Forced: true}}}, time.Now(), func([]string) {
					mu.Lock()
					defer mu.Unlock()
					pushed = append(pushed, time.Since(start))
				})
				time.Sleep(200 * time.Millisecond)
			}
		}
		change(5 * 60)
		mu.Lock()
		if n := len(pushed); n < 12 || n > 16 || pushed[8] != 5*time.Second || pushed[9] != 7*time.Second {
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
		if n := len(pushed) - before; n != 5 || pushed[before] != again {
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
			changes.Take(message.Message{Rooms: []message.RoomState{{Room: "a/b", State: "1", Expires: time.Now().Add(-time.Hour).Unix()}}}, time.Now(), p.push)
			time.Sleep(10 * time.Second)
		}
		if got, want := p.String(), "0s a/b"; got != want {
			t.Errorf("pushed %s; want %s", got, want)
		}
	})
}

// TestTitleIsNoChange checks that a report about a title alone is not pushed: no row has changed.
func TestTitleIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		title, p, c := "a title", &pushes{start: time.Now()}, new(Changes)
		c.Take(message.Message{Rooms: []message.RoomState{{Room: "postType/post:1", Title: &title}}}, time.Now(), p.push)
		time.Sleep(time.Minute)
		if got := p.String(); got != "" {
			t.Errorf("pushed %s", got)
		}
		c.Take(message.Message{Rooms: []message.RoomState{{Room: "postType/post:1", Title: &title, State: "x"}}}, time.Now(), p.push)
		time.Sleep(time.Minute)
		if p.String() == "" {
			t.Error("a state with a title was not pushed")
		}
		c.Stop()
	})
}
