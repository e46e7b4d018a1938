// Package admin is the handler of the admin listener.
package admin

import (
	"net/http"

	"github.com/gorilla/mux"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/heartbeatd/heartbeatd/server/console"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// Keys are the bearer keys of the operator; empty: none.
type Keys struct{ API, Metrics string }

// Node is the node of the listener.
type Node struct {
	API       restapi.Node
	Readiness func() readiness.State
	Metrics   prometheus.Gatherer
	Keys      func() *Keys // those that hold now
	Demo      bool         // the node has the demo site only
	Overview  func() Overview
}

// New returns the handler.
func New(n Node) http.Handler {
	r := mux.NewRouter()
	r.Methods("GET").Path("/healthz").HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	r.Methods("GET").Path("/readyz").HandlerFunc(readiness.Handler(n.Readiness))
	r.Methods("GET").Path("/metrics").Handler(n.guardMetrics(promhttp.HandlerFor(n.Metrics, promhttp.HandlerOpts{})))
	n.addProfiles(r)
	r.Methods("GET").Path(restapi.Path + "/node").HandlerFunc(n.node)
	r.PathPrefix(restapi.Path).Handler(restapi.New(n.API, n.isOperator))
	r.Methods("GET").PathPrefix("/").Handler(console.Handler())
	return r
}

// guardMetrics asks for the key of the metrics, if there is one. The operator's key is valid, too.
func (n Node) guardMetrics(metrics http.Handler) http.Handler {
	private := origin.RequirePrivate("use an IP address, or set --metrics-key")(metrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch keys := n.Keys(); {
		case restapi.HasKey(r, keys.API), restapi.HasKey(r, keys.Metrics):
			metrics.ServeHTTP(w, r)
		case keys.Metrics != "":
			http.Error(w, "the header Authorization must be Bearer and the key of --metrics-key", http.StatusUnauthorized)
		default:
			private.ServeHTTP(w, r)
		}
	})
}
