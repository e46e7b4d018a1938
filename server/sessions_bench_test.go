package server

import (
	"fmt"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/message"
)

// BenchmarkTargets finds the sessions that a push is for, among 200,000 on 5,000 sites.
func BenchmarkTargets(b *testing.B) {
	const sites, pages = 5000, 200_000
	l := newSessions()
	for i := range pages {
		id := fmt.Sprint("site-", i%sites)
		l.add(&session{site: &site{network: id}, key: sessionKey{id, int64(i), fmt.Sprint("page-", i)}})
	}
	for name, to := range map[string]message.Target{"user": {User: 7}, "all of a site": {All: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var list []*session
			for b.Loop() {
				if list = l.appendTargets(list[:0], "site-7", to); len(list) == 0 {
					b.Fatal("no session")
				}
			}
		})
	}
}
