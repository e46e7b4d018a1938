package limit

import (
	"net/netip"
	"sync"
	"time"
)

// logEvery is how often it is logged that a limit is reached.
const logEvery = time.Hour

// logTimes is when it was last logged that a limit of an address, or of all, was reached.
type logTimes struct {
	mu sync.Mutex // guards at; no other lock is taken under it
	at map[logKey]time.Time
}

type logKey struct {
	limit string
	one   bool   // of one address
	site  string // of one site
}

// due reports whether it is to be logged that a limit is reached.
func (l *logTimes) due(k logKey, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, logged := l.at[k]; logged && now.Sub(at) < logEvery {
		return false
	}
	if l.at == nil {
		l.at = make(map[logKey]time.Time)
	}
	l.at[k] = now
	return true
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
	if l.Log == nil || !l.logs.due(logKey{limit: limit, one: address.IsValid()}, time.Now()) {
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
