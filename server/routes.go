package server

import (
	"context"
	"io/fs"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
)

const (
	// ticketHeader brings the ticket of a client that only POSTs.
	ticketHeader = "Heartbeat-Ticket"
	// connectionHeader names the connection id of a page on the beats that it
	// posts: one page is one key, whichever way its beats go.
	connectionHeader = "Heartbeat-Connection"
	// freshTicketHeader brings a page a newer ticket.
	freshTicketHeader = "X-Heartbeatd-Ticket"
)

// Public is the handler of the public listener.
func (s *Server) Public() http.Handler {
	r := mux.NewRouter()
	// A close proves itself by the session that it names. The beacon of a page that sends
	// no referrer has the origin null, also on the same host.
	r.Methods("POST").Path(s.base + "/close").HandlerFunc(s.requests.Close)
	base := r.PathPrefix(s.base).Subrouter()
	base.Use(s.crossOrigin)
	post, ajax := transport.Post(s.beat), http.HandlerFunc(s.adminAjax)
	base.Methods("GET").Path("/socket").Handler(s.socket)
	base.Methods("POST").Path("/open").HandlerFunc(s.requests.Open)
	base.Methods("GET").Path("/poll").Handler(&transport.LongPoll{Sessions: s.requests})
	base.Methods("GET").Path("/events").Handler(&transport.Events{Sessions: s.requests})
	base.Methods("POST").Path("/beat").Headers(transport.SessionHeader, "").HandlerFunc(s.requests.Beat)
	base.Methods("POST").Path("/beat").HandlerFunc(post)
	base.Methods("OPTIONS").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	base.Methods("GET", "HEAD").Path("/{script:[a-z-]+\\.js(?:\\.map)?}").HandlerFunc(s.script)
	if s.demo != nil {
		ajax = transport.Post(s.ajax)
		s.demo.AddRoutes(r, demosite.Node{BasePath: s.base, Logger: s.log, View: s.sites[demosite.ID].watch})
	}
	r.Path(wordpress.AjaxPath).Handler(ajax)
	return shortcut(r, ajax, s.base+"/beat", s.crossOrigin(post))
}

// shortcut takes beats that come by POST past the router, which takes longer to
// find their handlers than those take to answer. The routes say the same.
func shortcut(router http.Handler, ajax http.Handler, beatPath string, beat http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == wordpress.AjaxPath:
			ajax.ServeHTTP(w, r)
		case r.URL.Path == beatPath && r.Method == http.MethodPost && r.Header[transport.SessionHeader] == nil:
			beat.ServeHTTP(w, r)
		default:
			router.ServeHTTP(w, r)
		}
	})
}

// knownOrigin says whether the request's origin is the host itself or belongs
// to any site; whether it is the right one, the ticket says later.
func (s *Server) knownOrigin(r *http.Request) bool {
	if sameOrigin(r) {
		return true
	}
	o, err := ParseOrigin(r.Header.Get("Origin")) // once, not for each site: it may be long
	if err != nil {
		return false
	}
	for _, st := range s.sites {
		if slices.Contains(st.origins, o) {
			return true
		}
	}
	return false
}

// varyOrigin is shared: nobody changes it.
var varyOrigin = []string{"Origin"}

// crossOrigin lets pages of the sites' origins in, without credentials, and
// turns pages of other origins away.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Vary"] = varyOrigin
		if sameOrigin(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !s.knownOrigin(r) {
			s.refusals.log(s, r, refuse("", wrongOrigin, transport.OriginRefused))
			transport.RefuseOrigin(w)
			return
		}
		h.Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type, "+transport.SessionHeader+", "+ticketHeader+", "+connectionHeader)
		h.Set("Access-Control-Max-Age", "7200")
		next.ServeHTTP(w, r)
	})
}

// script serves the drop-in and its source map.
func (s *Server) script(w http.ResponseWriter, r *http.Request) {
	name := mux.Vars(r)["script"]
	if s.scripts == nil {
		http.NotFound(w, r)
		return
	}
	if _, err := fs.Stat(s.scripts, name); err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, s.scripts, name)
}

// beatHeader is shared: nobody changes it.
var beatHeader = http.Header{
	"Content-Type": jsonHeader["Content-Type"], "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
}

// beat answers a beat at heartbeatd's own address, without what WordPress tells
// browsers that might show an answer as a page.
func (s *Server) beat(ctx context.Context, r *http.Request, body []byte) transport.Tick {
	tick := s.ticketBeat(ctx, r, body)
	if tick.Status == http.StatusOK && slices.Equal(tick.Header["Content-Type"], beatHeader["Content-Type"]) {
		tick.Header = beatHeader
	}
	return tick
}

// ticketBeat answers the plain beat of a client that only knows its ticket.
// A beat that is PHP's gets 409: post it to admin-ajax.
// A revocation that comes while it is answered holds for the next beat: of this one
// nothing stays but an entry, for one TTL.
func (s *Server) ticketBeat(_ context.Context, r *http.Request, body []byte) transport.Tick {
	st, claims, err := admit(r, r.Header.Get(ticketHeader), s.postedTicket)
	if err != nil {
		s.refusals.log(s, r, err)
		return plainTick(http.StatusForbidden, err.Error())
	}
	c := s.newBeat(r, body)
	c.User, c.Nonces, c.site = claims.User(), claims, st
	s.nameConnection(r, c)
	st.cron.tell(claims.Cron, claims.IssuedAt.UnixMilli())
	if !claims.MayAnswer(&c.Call, s.pipeline.hooks, false) || !c.readActivePosts() || st.cron.claim(c.Now) {
		s.metrics.declined.Inc()
		return plainTick(http.StatusConflict, "this beat is for PHP: post it to admin-ajax.php")
	}
	s.metrics.answered.Inc()
	return s.pipeline.answer(&c.Call)
}

func plainTick(status int, text string) transport.Tick {
	return transport.Tick{Status: status, Body: []byte(text), Header: http.Header{
		"Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
	}}
}

// ajax answers all requests to admin-ajax.php of the demo site, which has no PHP.
func (s *Server) ajax(_ context.Context, r *http.Request, body []byte) transport.Tick {
	c := s.newBeat(r, body)
	login := s.demo.LoginFor(r, &c.Call)
	c.Nonces, c.site = login, s.sites[demosite.ID]
	c.User = login.User()
	s.nameConnection(r, c)
	c.readActivePosts()
	tick := s.pipeline.answer(&c.Call)
	if c.User != nil && tick.Status == http.StatusOK {
		tick.Header = tick.Header.Clone()
		tick.Header.Set(freshTicketHeader, login.Ticket(c.Screen, c.Now))
	}
	return tick
}

// newBeat reads a request as PHP does: a form only if it says that it is one.
func (s *Server) newBeat(r *http.Request, body []byte) *postedBeat {
	c := &postedBeat{}
	c.Now = time.Now()
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

// nameConnection finds out whose entries a POST writes.
func (s *Server) nameConnection(r *http.Request, b *postedBeat) {
	w := &b.post
	w.site, w.conn = b.site, postConn
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
