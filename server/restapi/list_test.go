package restapi

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestWalk walks lists while entries join, leave and are renewed: every entry that is there all the
// time is listed once, and no entry twice.
func TestWalk(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 18))
			n := newTestNode(t)
			var stay, come []presence.Place
			for i := range 80 {
				stay = append(stay, randomPlace(random, i))
				n.renew(t, stay[i])
			}
			seen, after := map[presence.Place]int{}, ""
			for part := 0; part == 0 || after != ""; part++ {
				a := n.presence(t, "GET", fmt.Sprint("per_page=", 1+random.IntN(9), "&after=", after), "")
				for i := range a.entries {
					seen[presence.PlaceOf(&a.entries[i])]++
				}
				after = a.header.Get("X-Heartbeatd-Next")
				for i := range 5 {
					n.renew(t, stay[random.IntN(len(stay))])
					come = append(come, randomPlace(random, 100*(part+1)+i))
					n.renew(t, come[len(come)-1])
					i := random.IntN(len(come))
					n.leave(t, come[i])
					come = slices.Delete(come, i, i+1)
				}
				if part > 1000 {
					t.Fatal("the list does not end")
				}
			}
			for _, p := range stay {
				if seen[p] != 1 {
					t.Errorf("%v is listed %d times", p, seen[p])
				}
			}
			for p, times := range seen {
				if times > 1 {
					t.Errorf("%v is listed %d times", p, times)
				}
			}
		})
	}
}

func randomPlace(random *rand.Rand, id int) presence.Place {
	rooms := []string{"admin/online", "postType/post:4", "postType/post:42"}
	return presence.Place{Room: rooms[random.IntN(len(rooms))], ClientID: fmt.Sprint(random.IntN(10), "-", id)}
}

// renew writes an entry with a date that is newer than those before.
func (n *testNode) renew(t *testing.T, p presence.Place) {
	t.Helper()
	n.renewed++
	e := presence.Entry{Room: p.Room, ClientID: p.ClientID, Data: json.RawMessage("{}")}
	e.DateGMT = wordpress.Date(time.Unix(1_800_000_000+int64(n.renewed), 0))
	if err := n.broker.Put(keyOf(p), presence.Stored{Entry: e}); err != nil {
		t.Fatal(err)
	}
}

func (n *testNode) leave(t *testing.T, p presence.Place) {
	t.Helper()
	if err := n.broker.Remove(keyOf(p)); err != nil {
		t.Fatal(err)
	}
}

func keyOf(p presence.Place) presence.Key {
	return presence.Key{Site: testSite, Room: p.Room, ClientID: p.ClientID, Conn: "c"}
}

// TestAfter checks what after may be.
func TestAfter(t *testing.T) {
	n := newTestNode(t)
	for user := range 3 {
		n.enter(t, "r", user)
	}
	first := n.presence(t, "GET", "after=&per_page=2", "")
	next := first.header.Get("X-Heartbeatd-Next")
	if len(first.entries) != 2 || next == "" || first.header.Get("X-WP-Total") != "3" || first.header.Get("X-WP-TotalPages") != "2" {
		t.Fatalf("%v %s", first.header, first.text)
	}
	if last := n.presence(t, "GET", "per_page=2&after="+next, ""); len(last.entries) != 1 || last.header.Get("X-Heartbeatd-Next") != "" || last.header.Get("X-WP-Total") != "3" {
		t.Errorf("%v %s", last.header, last.text)
	}
	for _, query := range []string{"after=&page=1", "after=r", "after=e30", "after=W10", "after=WyJyIl0"} {
		if a := n.presence(t, "GET", query, ""); a.status != 400 {
			t.Errorf("%s: %d %s", query, a.status, a.text)
		}
	}
}
