package admin

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// forOperator lets the operator in, with the key of --api-key.
func (n Node) forOperator(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch key := n.Keys().API; {
		case restapi.HasKey(r, key):
			next.ServeHTTP(w, r)
		case key == "":
			http.Error(w, "set --api-key, which a reload takes, and send the key as Authorization: Bearer KEY", http.StatusForbidden)
		default:
			http.Error(w, "the header Authorization must be Bearer and the key of --api-key", http.StatusUnauthorized)
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

// isLocal reports whether a client on this machine has sent a request, and no page of another site. A web
// server on this machine may have passed it on without a header that says so: nginx sends none by itself.
// A browser sends no Origin with the request for an image, but Sec-Fetch-Site.
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
