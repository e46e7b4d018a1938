package admin

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/heartbeatd/heartbeatd/server/balance"
	"github.com/heartbeatd/heartbeatd/server/version"
)

// maxSites is the number of sites in an answer: those with the most sessions.
const maxSites = 1000

// Overview is what a node tells the operator beside its metrics.
type Overview struct {
	Version string         `json:"version"`
	Sites   []Site         `json:"sites"`
	Nodes   []balance.Load `json:"nodes"` // this node is the first
}

// Site is a site of the node.
type Site struct {
	ID       string `json:"id"`
	Sessions int    `json:"sessions"` // on this node
}

// node answers the operator with the overview.
func (n Node) node(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !n.isOperator(r) {
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"code": "no_key", "message": "the header Authorization must be Bearer and the key of --api-key"})
		return
	}
	o := n.Overview()
	o.Version = version.Get().Version
	slices.SortFunc(o.Sites, func(a, b Site) int { return cmp.Or(b.Sessions-a.Sessions, cmp.Compare(a.ID, b.ID)) })
	o.Sites = o.Sites[:min(maxSites, len(o.Sites))]
	_ = json.NewEncoder(w).Encode(o)
}
