package admin

import (
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/gorilla/mux"
)

// addProfiles adds the profiles of package net/http/pprof, without the command line: it may have secrets.
func (n Node) addProfiles(r *mux.Router) {
	for path, serve := range map[string]http.HandlerFunc{"profile": pprof.Profile, "trace": pprof.Trace, "symbol": pprof.Symbol} {
		r.Path("/debug/pprof/" + path).Handler(n.forOperator(withoutReadDeadline(serve)))
	}
	r.Methods("GET").PathPrefix("/debug/pprof/").Handler(n.forOperator(withoutReadDeadline(pprof.Index)))
}

// withoutReadDeadline serves a request that may take longer than one may take to arrive.
func withoutReadDeadline(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end the profile
		next(w, r)
	})
}
