// Package page simulates open pages of WordPress's admin: their links, reconnections and beats
// follow the rules of the drop-in.
package page

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/backend"
)

// The transports.
const (
	webSocket = "websocket"
	events    = "events"
	longPoll  = "longpoll"
)

// Kind is what a page can use.
type Kind struct {
	Name  string
	order []string // transports, best first; none: it posts its beats to heartbeatd
}

// kinds are the kinds of pages, and how many there are of each beside the others.
var kinds = []struct {
	Kind
	share int
}{
	{Kind{"websocket", []string{webSocket, events, longPoll}}, 5},
	{Kind{"websocket-only", []string{webSocket}}, 5}, // with heartbeatSettings.heartbeatd.transports
	{Kind{"events", []string{events, longPoll}}, 2},
	{Kind{"longpoll", []string{longPoll}}, 2},
	{Kind{"post", nil}, 1},
}

// ParseKinds reads the names of kinds, and returns each as often as it is to be chosen.
func ParseKinds(names string) (list []Kind, err error) {
	for _, name := range strings.Split(names, ",") {
		known := false
		for _, k := range kinds {
			if k.Name == name {
				known = true
				list = append(list, slices.Repeat([]Kind{k.Kind}, k.share)...)
			}
		}
		if !known {
			return nil, fmt.Errorf("-kinds %s: the kinds are websocket, websocket-only, events, longpoll and post", name)
		}
	}
	return list, nil
}

// World is what all pages share.
type World struct {
	Client    *http.Client // to heartbeatd, through the balancer
	Backend   *backend.Backend
	BeatEvery time.Duration
	Tally     Tally

	beacons sync.WaitGroup
}

// Wait waits for the last requests of closed pages.
func (w *World) Wait() { w.beacons.Wait() }

// Tally counts what happened to the beats of all pages.
type Tally struct {
	Begun    atomic.Int64
	Ticks    atomic.Int64 // over a link, or by POST to heartbeatd
	Declines atomic.Int64
	Posted   atomic.Int64 // to the back end
	Late     atomic.Int64 // no answer of an open link within 2.5 s: posted
	unasked  atomic.Int64 // answers to beats that were answered before, or that nobody sent
	wrong    atomic.Int64 // ticks that are none
}

// Wrong returns how many answers to beats were not asked for, or are no ticks.
func (t *Tally) Wrong() (unasked, wrong int64) { return t.unasked.Load(), t.wrong.Load() }

// Page is an open page.
type Page struct {
	backend.Place
	Kind   Kind
	Opened time.Time

	world  *World
	header http.Header
	cancel context.CancelFunc
	done   sync.WaitGroup

	unheard atomic.Int32 // sessions over HTTP in a row that were gone before frames had arrived

	mu           sync.Mutex // guards the following fields
	rng          *rand.Rand
	ticket       string
	issued       time.Time     // when the ticket arrived
	life         time.Duration // after which PHP must see a beat
	cursor       string
	link         link
	blocked      int    // the code after which the page does not connect again, or 0
	out          string // why the page has ended by itself
	outAt        time.Time
	nudged       chan struct{}
	renewed      chan struct{}   // a newer ticket has arrived
	moves        chan struct{}   // the node of the link has asked for a link to another one
	postRoom     map[string]bool // who is in the room of its post
	shown        bool            // since the page has a link, it has received the whole room
	received     []Push
	seen         map[int]bool // the numbers of these pushes
	missed       []time.Time
	linkedFirst  time.Time
	unlinkedFrom time.Time
	longest      time.Duration // without a link
	history      []string
}

// Push is a push that the page has received.
type Push struct {
	N      int
	At     time.Time
	Cursor string
}

// Open opens a page.
func Open(w *World, place backend.Place, kind Kind, seed, number uint64) *Page {
	p := &Page{
		Place: place, Kind: kind, Opened: time.Now(), world: w, rng: rand.New(rand.NewPCG(seed, number)),
		nudged: make(chan struct{}, 1), renewed: make(chan struct{}, 1), moves: make(chan struct{}, 1), postRoom: make(map[string]bool), seen: make(map[int]bool),
		header: http.Header{"X-Forwarded-For": {fmt.Sprintf("203.%d.%d.%d", number>>16&255, number>>8&255, number&255)}},
	}
	p.useTicket(w.Backend.Ticket(place))
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	if len(kind.order) > 0 {
		p.done.Go(func() { newSelector(p, kind.order).run(ctx) })
	}
	p.done.Go(func() { p.beats(ctx) })
	return p
}

// Close closes the page without logging out, as when a user goes to another page.
func (p *Page) Close() {
	p.cancel()
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l != nil {
		l.close()
	}
	p.done.Wait()
}

// jitter returns a random time of at most d.
func (p *Page) jitter(d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.rng.Int64N(int64(d) + 1))
}

// nativeLife is how old a ticket is, plus or minus a fifth, when PHP must see a beat.
const nativeLife = 5 * time.Minute

// useTicket is called with p.mu held, or before the page runs.
func (p *Page) useTicket(text string) {
	if text == "" || text == p.ticket {
		return
	}
	p.ticket, p.issued = text, time.Now()
	p.life = time.Duration(float64(nativeLife) * (0.8 + 0.4*p.rng.Float64()))
	if p.link == nil && p.blocked == codeTicket {
		select {
		case p.renewed <- struct{}{}:
		default:
		}
	}
}

func (p *Page) hello() hello {
	p.mu.Lock()
	defer p.mu.Unlock()
	return hello{Ticket: p.ticket, Conn: p.Conn, After: p.cursor, Body: p.note()}
}

func (p *Page) newLink(ctx context.Context, name string) link {
	switch name {
	case webSocket:
		return newSocket(ctx, p.world.Client, p.header, &p.world.Tally, p.receive)
	case events:
		return newSession(ctx, p, stream)
	}
	return newSession(ctx, p, poll)
}

func (p *Page) testEvents(ctx context.Context) bool {
	s := newSession(ctx, p, nil)
	defer s.cancel()
	return testStream(s.ctx, s)
}

// linked is called when a link has opened.
func (p *Page) linked(l link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = l
	now := time.Now()
	if p.linkedFirst.IsZero() {
		p.linkedFirst = now
	} else if !p.unlinkedFrom.IsZero() {
		p.longest = max(p.longest, now.Sub(p.unlinkedFrom))
	}
	p.unlinkedFrom = time.Time{}
}

// unlinked is called when the link has ended.
func (p *Page) unlinked(l link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.link == l {
		p.link, p.unlinkedFrom, p.shown = nil, time.Now(), false
	}
}

// block is called when the page does not connect again, because of the code of a close. If its
// ticket was refused, it connects when it has a newer one; 0 says that it connects.
func (p *Page) block(code int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocked = code
}

// nudge makes the page beat.
func (p *Page) nudge() {
	select {
	case p.nudged <- struct{}{}:
	default:
	}
}

// end ends the page from within: its user is logged out.
func (p *Page) end(why string) {
	p.mu.Lock()
	if p.out == "" {
		p.out, p.outAt = why, time.Now()
	}
	l := p.link
	p.mu.Unlock()
	p.cancel()
	if l != nil {
		l.close()
	}
}
