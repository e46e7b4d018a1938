package server

import (
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/server/restapi"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// ticketHeader has the ticket of a client that beats by POST.
	ticketHeader = "Heartbeat-Ticket"
	// connectionHeader has the connection id of a page that beats by POST, so that its
	// entries have the same keys as over a link.
	connectionHeader = "Heartbeat-Connection"
	// freshTicketHeader has a newer ticket for a page.
	freshTicketHeader = "X-Heartbeatd-Ticket"
)

// postedBeat is a beat that came by POST.
type postedBeat struct {
	beat
	post postWriter
}

// postWriter writes the entries of a page that beats by POST.
type postWriter struct {
	site   *site
	conn   string   // the page's connection id, or restapi.PostConn
	linked bool     // the page has a link, which writes its entries
	away   *session // the page's session, if the page posts because its link is gone
}

// write implements entryWriter.
func (w *postWriter) write(c *hook.Call, e presence.Entry) error {
	if w.linked {
		return nil // the link writes them, when the page sends a note
	}
	k := presence.Key{Site: w.site.ID, Room: e.Room, ClientID: e.ClientID, Conn: w.conn}
	if w.away != nil {
		w.away.release(k)
	}
	stored := presence.Stored{Entry: e}
	if c.Focus {
		stored.FocusedAt = c.Now.UnixMilli()
	}
	return w.site.broker.Put(k, stored)
}

// beatHeader is shared: it is not changed.
var beatHeader = http.Header{
	"Content-Type": pipeline.JSONHeader["Content-Type"], "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
}

// admitBeat checks the ticket of a beat at heartbeatd's own address, before its body is read.
// Its ticks have no headers by which WordPress tells browsers how to show an answer as a page.
func (s *Server) admitBeat(r *http.Request) (answer func(body []byte) transport.Tick, refused transport.Tick) {
	st, claims, err := s.admitPost(r)
	if err != nil {
		return nil, refusedTick(err)
	}
	return func(body []byte) transport.Tick {
		tick := s.answerPost(r, body, st, claims)
		if tick.Status == http.StatusOK && slices.Equal(tick.Header["Content-Type"], beatHeader["Content-Type"]) {
			tick.Header = beatHeader
		}
		return tick
	}, refused
}

// admitPost checks the ticket of a client that sends it with each beat.
func (s *Server) admitPost(r *http.Request) (*site, *ticket.Claims, error) {
	st, claims, err := admit(r, r.Header.Get(ticketHeader), s.postedTicket)
	if err != nil {
		s.refusals.Refused(r, err)
	}
	return st, claims, err
}

// answerPost answers a beat of a client that admitPost has admitted. A beat that PHP must
// answer gets 409. A revocation during a beat takes effect with the next one: an entry that
// this beat writes stays for one TTL.
func (s *Server) answerPost(r *http.Request, body []byte, st *site, claims *ticket.Claims) transport.Tick {
	began := time.Now()
	c := s.newBeat(r, body)
	c.User, c.Nonces, c.site, c.claims, c.tickets = claims.User(), claims, st, claims, &s.tickets
	s.nameConnection(r, c)
	st.cron.Tell(claims.Cron, claims.IssuedAt.UnixMilli())
	c.readDeposits(&s.deposits, claims, s.pipeline.Hooks())
	if cause := c.whyPHP(claims, s.pipeline.Hooks(), false, s.tickets.Now(st.ID)); cause != "" {
		s.refusals.Declined(st.network, cause)
		return plainTick(http.StatusConflict, "this beat is for PHP: post it to admin-ajax.php")
	}
	tick := s.pipeline.Answer(&c.Call)
	s.metrics.Answered(len(c.Deposits) > 0, false, time.Since(began))
	st.phpBeats.CountNative()
	return tick
}

// refusedTick answers a beat whose ticket is refused: with 429 if the page may try again
// later, and with 403 otherwise.
func refusedTick(err error) transport.Tick {
	bye := transport.AsBye(err)
	if bye.Code != transport.CodeTooMany {
		return plainTick(http.StatusForbidden, err.Error())
	}
	tick := plainTick(http.StatusTooManyRequests, err.Error())
	tick.Header.Set("Retry-After", strconv.Itoa(int(math.Ceil(bye.Retry().Seconds()))))
	return tick
}

func plainTick(status int, text string) transport.Tick {
	return transport.Tick{Status: status, Body: []byte(text), Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	}}
}

// admitDemo answers all requests to admin-ajax.php of the demo site, which has no PHP.
func (s *Server) admitDemo(r *http.Request) (answer func(body []byte) transport.Tick, refused transport.Tick) {
	return func(body []byte) transport.Tick {
		c := s.newBeat(r, body)
		login := s.demo.LoginFor(r, &c.Call)
		c.Nonces, c.site = login, s.sites.first(demosite.ID)
		c.User = login.User()
		s.nameConnection(r, c)
		c.readActivePosts()
		tick := s.pipeline.Answer(&c.Call)
		if c.User != nil && tick.Status == http.StatusOK {
			tick.Header = tick.Header.Clone()
			tick.Header.Set(freshTicketHeader, login.Ticket(c.Screen, c.Now))
		}
		return tick
	}, refused
}

// newBeat reads a request as PHP does: a body is a form only if its type says so.
func (s *Server) newBeat(r *http.Request, body []byte) *postedBeat {
	c := &postedBeat{}
	c.Now = s.broker.Now()
	if r.URL.RawQuery != "" {
		c.Query = wordpress.ParseQuery(r.URL.RawQuery)
	}
	if r.Method == http.MethodPost && isForm(r.Header.Get("Content-Type")) {
		c.Post = wordpress.ParseForm(body)
	} else {
		c.Post = wordpress.NewArray()
	}
	c.posted, c.entries = true, &c.post
	c.beat.read()
	return c
}

const formType = "application/x-www-form-urlencoded"

func isForm(contentType string) bool {
	if contentType == formType || contentType == formType+"; charset=UTF-8" { // jQuery's
		return true
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	return kind == formType
}

// nameConnection finds the connection whose entries a beat by POST writes.
func (s *Server) nameConnection(r *http.Request, b *postedBeat) {
	w := &b.post
	w.site, w.conn = b.site, restapi.PostConn
	conn := r.Header.Get(connectionHeader)
	if b.User == nil || !isConnID(conn) {
		return
	}
	w.conn = conn
	page := s.sessions.find(sessionKey{b.site.ID, b.User.ID, conn})
	if page == nil {
		return
	}
	if w.linked = page.connected(); !w.linked {
		w.away = page
	}
}
