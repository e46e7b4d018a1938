package admin

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// forOperator lets the operator in: with the key of --api-key, or, if there is none, from this machine.
func (n Node) forOperator(next http.Handler) http.Handler {
	const remedy = "connect from this machine, as with ssh -L and 127.0.0.1, or set --api-key"
	local := origin.RequirePrivate(remedy)(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch key := n.Keys().API; {
		case restapi.HasKey(r, key):
			next.ServeHTTP(w, r)
		case key != "":
			http.Error(w, "the header Authorization must be Bearer and the key of --api-key", http.StatusUnauthorized)
		case isLocal(r):
			local.ServeHTTP(w, r)
		default:
			http.Error(w, remedy, http.StatusForbidden)
		}
	})
}

// isOperator reports whether a request of the API may be about every site: it has the key of --api-key.
// The demo site needs none from this machine.
func (n Node) isOperator(r *http.Request) bool {
	key := n.Keys().API
	open := n.Demo && key == "" && r.Header.Get("Authorization") == ""
	return restapi.HasKey(r, key) || open && isLocal(r) && origin.IsPrivate(r.Host)
}

// isLocal reports whether a client on this machine has sent a request: no web server has passed it on,
// and no page of another site has. A browser sends no Origin with the request for an image, but Sec-Fetch-Site.
func isLocal(r *http.Request) bool {
	if r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" || !origin.Same(r) {
		return false
	}
	if from := r.Header.Get("Sec-Fetch-Site"); from != "" && from != "same-origin" && from != "none" {
		return false
	}
	if _, unix := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); unix {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}
