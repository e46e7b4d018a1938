package server

import (
	"io/fs"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/forward"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
	"github.com/heartbeatd/heartbeatd/transport"
	"github.com/heartbeatd/heartbeatd/transport/parking"
)

// Public returns the handler of the public listener.
func (s *Server) Public() http.Handler {
	r, frequent := s.routes()
	return shortcut(r, frequent)
}

// Lot returns what has the connections of requests that wait. The server of Public must serve it, too: until
// then these connections stay with net/http.
func (s *Server) Lot() *parking.Lot { return s.requests.Lot }

// routes returns the router, and those of its handlers that answer most requests.
func (s *Server) routes() (r *mux.Router, frequent map[route]http.Handler) {
	r = mux.NewRouter()
	// A close is authorized by the session that it names, from any origin: the beacon of a
	// page that sends no referrer has the origin null, also on the same host.
	r.Methods("POST").Path(s.base + "/close").HandlerFunc(s.forwarder.Handler("close"))
	base := r.PathPrefix(s.base).Subrouter()
	base.Use(s.crossOrigin)
	post, ajax := transport.Post(s.clients, s.admitBeat), http.Handler(http.HandlerFunc(s.adminAjax))
	beat, poll, events := s.forwarder.Handler("beat"), s.forwarder.Handler("poll"), s.forwarder.Handler("events")
	base.Methods("GET").Path("/socket").Handler(s.socket)
	base.Methods("POST").Path("/open").HandlerFunc(s.forwarder.Elsewhere(s.requests.Open))
	base.Methods("GET").Path("/poll").HandlerFunc(poll)
	base.Methods("GET").Path("/events").HandlerFunc(events)
	base.Methods("POST").Path("/beat").Headers(transport.SessionHeader, "").HandlerFunc(beat)
	base.Methods("POST").Path("/beat").Handler(post)
	base.Methods("OPTIONS").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	base.Methods("GET", "HEAD").Path("/{script:[a-z-]+\\.js(?:\\.map)?}").HandlerFunc(s.script)
	if s.demo != nil {
		ajax = transport.Post(s.clients, s.admitDemo)
		demo := r.NewRoute().Subrouter()
		demo.Use(origin.RequirePrivate("open the demo site with an IP address or localhost"))
		s.demo.AddRoutes(demo, demosite.Node{BasePath: s.base, Logger: s.log, View: s.sites.first(demosite.ID).watch})
	}
	r.Path(wordpress.AjaxPath).Handler(ajax)
	return r, map[route]http.Handler{
		{path: wordpress.AjaxPath}:        ajax,
		{"POST", s.base + "/beat", false}: s.crossOrigin(post),
		{"POST", s.base + "/beat", true}:  s.crossOrigin(beat),
		{"GET", s.base + "/poll", true}:   s.crossOrigin(poll),
		{"GET", s.base + "/events", true}: s.crossOrigin(events),
	}
}

// newForwarder returns what answers the requests of sessions, also of those of other nodes.
func (s *Server) newForwarder() *forward.Forwarder {
	events := &transport.Events{Sessions: s.requests, Stop: s.sessions.closed, Address: s.clients.AddressOf}
	return forward.New(forward.Config{
		Broker: s.broker, Alive: s.requests.Alive, Limits: s.clients, Log: s.log, Retry: s.balancer.Retry,
		Handlers: map[string]http.HandlerFunc{
			"poll": (&transport.LongPoll{Sessions: s.requests}).ServeHTTP, "events": events.ServeHTTP,
			"beat": s.requests.Beat, "close": s.requests.Close,
		},
	})
}

// route is what tells the most frequent requests apart.
type route struct {
	method, path string
	ofSession    bool // the request names a session
}

// shortcut serves the most frequent requests without the router, which takes longer to find the
// handler of a beat than the handler takes to answer. It has no route that the router does not have.
func shortcut(router http.Handler, frequent map[route]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := route{r.Method, r.URL.Path, r.Header[transport.SessionHeader] != nil}
		if at.path == wordpress.AjaxPath {
			at = route{path: at.path} // whatever the method is
		}
		if handler := frequent[at]; handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		router.ServeHTTP(w, r)
	})
}

// varyOrigin is shared: it is not changed.
var varyOrigin = []string{"Origin"}

// crossOrigin allows requests from pages of the sites' origins, without credentials, and
// refuses those of other origins.
func (s *Server) crossOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h["Vary"] = varyOrigin
		if origin.Same(r) {
			next.ServeHTTP(w, r)
			return
		}
		if !s.sites.knowsOrigin(r) {
			s.refusals.Refused(r, refusal.New("", refusal.WrongOrigin, transport.OriginRefused))
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
	info, err := fs.Stat(s.scripts, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	transport.LimitWrite(w, int(info.Size()))
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, s.scripts, name)
}
