// Command pages keeps pages connected to the heartbeatd of this machine while it is upgraded.
//
//	HEARTBEATD_SITE_SECRET=… pages 500
//
// It prints a line when all pages have a link. After SIGTERM it waits until they have one again, and
// prints what they noticed as JSON.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
	"github.com/heartbeatd/heartbeatd/integration/cluster/balancer"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// report is what the pages noticed since all had a link.
type report struct {
	Pages   int     `json:"pages"`
	Refused int64   `json:"refused"` // connections
	Longest float64 `json:"longest"` // seconds of a page without a link
	Beats   int64   `json:"beats"`
	Posted  int64   `json:"posted"` // beats that PHP answered:
	// for want of a link, because heartbeatd declined them, and because it did not answer in time.
	Unlinked int64 `json:"unlinked"`
	Declined int64 `json:"declined"`
	Late     int64 `json:"late"`
	Wrong    int64 `json:"wrong"` // answers that are no ticks, or to no beat
	Ended    int   `json:"ended"` // pages that do not connect again
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pages:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return errors.New("usage: pages NUMBER")
	}
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	var refused atomic.Int64
	addresses := map[string]string{balancer.Public + ":80": "127.0.0.1:8080", balancer.Admin + ":80": "127.0.0.1:8081"}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addresses[host])
		if err != nil && ctx.Err() == nil {
			refused.Add(1)
		}
		return c, err
	}}}
	world := &page.World{Client: client, Backend: backend.New(map[string]string{"default": os.Getenv("HEARTBEATD_SITE_SECRET")}, client), BeatEvery: 5 * time.Second}
	kinds, err := page.ParseKinds("websocket,websocket-only,events,longpoll")
	if err != nil {
		return err
	}
	all := open(world, kinds, n)
	if err := waitForLinks(all); err != nil {
		return err
	}
	for _, p := range all {
		p.Forget()
	}
	refused.Store(0)
	tally := &world.Tally
	begun, posted, declined, late := tally.Begun.Load(), tally.Posted.Load(), tally.Declines.Load(), tally.Late.Load()
	fmt.Println("all pages have a link")

	<-ctx.Done()
	if err := waitForLinks(all); err != nil {
		return err
	}
	unasked, wrong := tally.Wrong()
	r := report{
		Pages: n, Refused: refused.Load(), Beats: tally.Begun.Load() - begun, Posted: tally.Posted.Load() - posted,
		Declined: tally.Declines.Load() - declined, Late: tally.Late.Load() - late, Wrong: unasked + wrong,
	}
	r.Unlinked = r.Posted - r.Declined - r.Late
	for _, p := range all {
		state := p.State()
		r.Longest = max(r.Longest, state.Longest.Seconds())
		if state.Out != "" || state.Blocked != 0 {
			r.Ended++
		}
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// open opens n pages. Some beat at each moment.
func open(world *page.World, kinds []page.Kind, n int) (all []*page.Page) {
	for i := range n {
		time.Sleep(world.BeatEvery / time.Duration(n))
		place := backend.Place{User: backend.User{Site: "default", ID: int64(i + 1)}, Conn: fmt.Sprintf("connection-%d", i), Screen: "dashboard"}
		all = append(all, page.Open(world, place, kinds[i%len(kinds)], 1, uint64(i)))
	}
	return all
}

// waitForLinks waits until each page has a link.
func waitForLinks(all []*page.Page) error {
	missing := 0
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		missing = 0
		for _, p := range all {
			if !p.State().Linked {
				missing++
			}
		}
		if missing == 0 {
			return nil
		}
	}
	return fmt.Errorf("%d of %d pages have no link within a minute", missing, len(all))
}
