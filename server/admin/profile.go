package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/gorilla/mux"
)

// maxProfile is the longest time of a profile.
const maxProfile = 5 * time.Minute

// addProfiles adds the profiles of package net/http/pprof, without the command line: it may have secrets.
func (n Node) addProfiles(r *mux.Router) {
	const path = "/debug/pprof/"
	r.Methods("GET").Path(path + "profile").Handler(n.forOperator(limitTime(pprof.Profile)))
	r.Methods("GET").Path(path + "trace").Handler(n.forOperator(limitTime(pprof.Trace)))
	r.Path(path + "symbol").Handler(n.forOperator(http.HandlerFunc(pprof.Symbol)))
	r.Methods("GET").PathPrefix(path).Handler(n.forOperator(limitTime(pprof.Index)))
}

// limitTime serves a request for a profile. That may take longer than a request may take to arrive, but
// not longer than maxProfile.
func limitTime(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && seconds > maxProfile.Seconds() {
			http.Error(w, fmt.Sprintf("seconds must be at most %.0f", maxProfile.Seconds()), http.StatusBadRequest)
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // it would end the profile
		next(w, r)
	})
}
