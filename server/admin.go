package server

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/admin"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/phpbeats"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// Admin returns the handler of the admin listener.
func (s *Server) Admin() http.Handler {
	return admin.New(admin.Node{API: s.apiNode(), Readiness: s.Readiness, Metrics: s.metrics.Registry, Keys: s.keys.Load, Demo: s.demo != nil && len(s.sites.configured) == 1, Overview: s.overview})
}

// overview returns what the console shows of the node's sites and of the other nodes.
func (s *Server) overview() admin.Overview {
	o := admin.Overview{Nodes: s.balancer.Nodes()}
	for _, st := range s.sites.all() {
		if !st.now().Removed {
			o.Sites = append(o.Sites, admin.Site{ID: st.ID, Sessions: s.sessions.count(st.ID)})
		}
	}
	return o
}

// apiNode returns what the API needs of the node.
func (s *Server) apiNode() restapi.Node {
	return restapi.Node{
		Broker:       s.broker,
		Keyfunc:      s.tickets.Keyfunc,
		KeySigned:    s.tickets.KeySigned,
		Now:          s.tickets.Now,
		Network:      s.sites.network,
		HasSite:      s.sites.has,
		View:         s.sites.view,
		PutLock:      func(id string) sync.Locker { return &s.sites.get(id).puts },
		Renews:       s.renews,
		Sessions:     s.sessions.count,
		AdmitDeposit: s.admitDeposit,
		Readiness:    s.Readiness,
		NativeBeats:  func(id string) map[string]int { return s.sites.get(id).phpBeats.Native(time.Now()) },
		PHPBeats: func(id string) (map[string]int, time.Duration) {
			return s.sites.get(id).phpBeats.Sum(time.Now()), min(time.Since(s.started), phpbeats.Span)
		},
	}
}

// admitDeposit returns why a site may not have one more deposit.
func (s *Server) admitDeposit(site string, d *message.Deposit) error {
	err := s.deposits.Admit(site, d, s.broker.Now())
	if err != nil && !errors.As(err, new(*budget.Error)) {
		s.clients.DepositRefused(site, err)
	}
	return err
}

// renews reports whether the session of a user's page renews an entry. hasSession is
// false if the page has no session on this node.
func (s *Server) renews(k presence.Key, user int64) (renews, hasSession bool) {
	page := s.sessions.find(sessionKey{k.Site, user, k.Conn})
	return page != nil && page.keeps(k), page != nil
}
