package room

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
)

// TestManyActivePosts checks that the list is that of all entries, and that it takes no more memory when a
// site has many more posts than it shows: that is how the work is counted.
func TestManyActivePosts(t *testing.T) {
	b := nodetest.OpenBroker(t, broker.Config{})
	allocated := func(posts int) float64 {
		site := fmt.Sprint("site-", posts)
		view, err := b.Watch(site, func(presence.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		defer view.Close()
		random := rand.New(rand.NewPCG(1, uint64(posts)))
		for post := range posts {
			for n := range 1 + random.IntN(3) {
				user := random.Int64N(4) // 0: of a back end
				k := presence.Key{Site: site, Room: fmt.Sprint("postType/post:", post+1), ClientID: fmt.Sprint("editor-", n), Conn: "page-0001"}
				date := time.Date(2026, 11, 23, 5, 20, random.IntN(60), 0, time.UTC).Format(time.DateTime)
				e := presence.Entry{Room: k.Room, ClientID: k.ClientID, UserID: user, DateGMT: date, Data: json.RawMessage(`{"title":"A"}`)}
				if err := b.Put(k, presence.Stored{Entry: e}); err != nil {
					t.Fatal(err)
				}
			}
		}
		entries, _ := view.List(presence.Filter{Prefix: "postType/"}, 0, math.MaxInt)
		got, want := new(ActivePosts).Read(view, time.Now()), findActivePosts(entries)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("of %d posts: %d, want %d", posts, len(got), len(want))
		}
		late := time.After(time.Minute)
		for stats := b.Stats(); stats.Queued+stats.InFlight > 0; stats = b.Stats() { // writing allocates, too
			select {
			case <-time.After(time.Millisecond):
			case <-late:
				t.Fatalf("entries are not written: %+v", stats)
			}
		}
		least := math.Inf(1)
		for range 10 {
			least = min(least, testing.AllocsPerRun(1, func() { new(ActivePosts).Read(view, time.Now()) }))
		}
		return least
	}
	if some, many := allocated(2*maxListed), allocated(10*maxListed); many > 1.5*some {
		t.Errorf("%v allocations for the list of %d posts, %v for that of %d", some, 2*maxListed, many, 10*maxListed)
	}
}
