package server

import (
	"github.com/heartbeatd/heartbeatd/server/admin"
	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/settings"
)

// Reload takes the sites, the keys, the limits and the trusted proxies of a configuration, if they are valid.
// Connected pages stay, except those of sites that are removed. It returns what has changed, and what
// needs a restart.
func (s *Server) Reload(c Config) (changed, restart []string, err error) {
	next, err := settings.Check(s.withDemo(c.Sites), s.clients, s.log)
	if err == nil {
		changed, restart, err = s.sites.replace(next)
	}
	if err != nil {
		return nil, nil, err
	}
	s.tickets.ForgetVerified() // with the old secrets
	s.configure(c)
	for _, sess := range s.sessions.all() {
		s.clients.Max().LimitBeats(sess.beats)
		if sess.site.now().Removed {
			sess.end(refusal.TicketError("the site is no longer configured"))
		}
	}
	return changed, restart, nil
}

// configure takes the settings that a reload changes, except those of sites.
func (s *Server) configure(c Config) {
	s.keys.Store(&admin.Keys{API: c.APIKey, Metrics: c.MetricsKey})
	s.clients.Trust(c.TrustedProxies)
	s.clients.SetMax(c.Limits)
	s.broker.Budgets().Sessions.SetMax(int64(s.clients.Max().MaxPages))
}

func (s *Server) withDemo(list []Site) []Site {
	if s.demo == nil {
		return list
	}
	return append(list, Site{ID: demosite.ID, Secrets: []string{s.demo.Secret()}, Network: true})
}

// replace replaces the settings of the sites.
func (l *sites) replace(next map[string]*settings.Settings) (changed, restart []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	served := make(map[string]*settings.Settings)
	for id, st := range l.configured {
		served[id] = st.now()
	}
	if changed, restart, err = settings.Merge(served, next); err != nil {
		return nil, nil, err
	}
	for id, now := range next {
		if st := l.configured[id]; st != nil {
			st.settings.Store(now)
		} else {
			l.add(id, now)
		}
	}
	l.served.Store(settings.NewServed(next))
	return changed, restart, nil
}
