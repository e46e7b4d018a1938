package server

import (
	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/refusal"
	"github.com/heartbeatd/heartbeatd/server/settings"
)

// keys are those of the admin listener; empty: none.
type keys struct{ api, metrics string }

// Reload takes the sites, the keys and the trusted proxies of a configuration, if they are valid.
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
	s.keys.Store(&keys{c.APIKey, c.MetricsKey})
	s.clients.Trust(c.TrustedProxies)
	for _, sess := range s.sessions.all() {
		if sess.site.now().Removed {
			sess.end(refusal.TicketError("the site is no longer configured"))
		}
	}
	return changed, restart, nil
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
	return changed, restart, nil
}
