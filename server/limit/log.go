package limit

import (
	"net/netip"
	"time"
)

// logKey is what is logged at most once an hour.
type logKey struct {
	limit string
	one   bool   // of one address
	site  string // of one site
}

func (l *Clients) isLogged(k logKey) bool {
	if l.Log == nil {
		return false
	}
	_, due := l.logs.Due(k, time.Now())
	return due
}

// what is what there is too much of, by limit.
var what = map[string]string{
	Bodies: "too many bytes of requests at once", Connections: "too many connections", Links: "too many connections",
	Opens: "too many new connections", Upstream: "too many requests to WordPress at once",
}

// reached counts that a limit was reached, of an address or, if it is not valid, of all, and logs
// it at most once an hour.
func (l *Clients) reached(limit string, address netip.Prefix) {
	l.limited(limit)
	if !l.isLogged(logKey{limit: limit, one: address.IsValid()}) {
		return
	}
	if !address.IsValid() {
		l.Log.Warn(what[limit], "limit", limit)
		return
	}
	from := address.String()
	if address.IsSingleIP() {
		from = address.Addr().String()
	}
	l.Log.Warn(what[limit]+" from "+from+": if it is a web server in front, name it in --trusted-proxy", "limit", limit)
}
