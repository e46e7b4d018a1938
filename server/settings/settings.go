// Package settings has the configuration of sites. A reload replaces it while they are served.
package settings

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/network"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/proxy"
)

// Site is one WordPress site, as it is configured.
type Site struct {
	ID      string   `json:"id"`
	Origins []string `json:"origins"` // allowed besides the host itself, as https://example.org
	Secrets []string `json:"secrets"` // sign tickets; two at a time while one replaces the other
	// Upstream is the site's WordPress, as http://127.0.0.1:8000, when
	// heartbeatd stands in front of admin-ajax.php.
	Upstream string `json:"upstream"`
	// Network says that the site is a WordPress network: its secrets also sign for the sites ID-2,
	// ID-3 and so on.
	Network bool `json:"network"`
	// Private allows calls of the site at loopback and private addresses, as its host name may
	// resolve to. Without it only a configured origin or upstream may be such an address.
	Private bool `json:"private"`
	// SyncAnywhere allows the site's tickets to name a URL of any one origin, to which
	// heartbeatd sends presence: the first one that answers. Without it only the upstream and
	// the origins are allowed. It is for a site of which neither is configured.
	SyncAnywhere bool `json:"-"`
}

// Settings are those of one site, checked. They are not changed.
type Settings struct {
	Site
	Allowed []origin.Origin // the origins
	Keys    jwt.VerificationKeySet
	Proxy   *proxy.Proxy // nil: heartbeatd is not in front of admin-ajax.php
	Removed bool         // a reload has removed the site
}

// CheckPath checks the URL path of the transports.
func CheckPath(base string) error {
	if !strings.HasPrefix(base, "/") || strings.HasSuffix(base, "/") {
		return fmt.Errorf("the base path %q must begin with / and not end with it", base)
	}
	return nil
}

// Check checks the configuration of all sites, and returns the settings by the id of the site.
func Check(list []Site, clients *limit.Clients, log *slog.Logger) (map[string]*Settings, error) {
	all := make(map[string]*Settings)
	var networks []string
	for _, s := range list {
		if len(s.Secrets) == 0 || len(s.Secrets) > 2 {
			return nil, fmt.Errorf("site %q needs one secret, or two while one replaces the other", s.ID)
		}
		if s.ID == "" || all[s.ID] != nil {
			return nil, fmt.Errorf("site id %q is empty or configured twice", s.ID)
		}
		checked, err := check(s, clients, log)
		if err != nil {
			return nil, fmt.Errorf("site %q: %w", s.ID, err)
		}
		all[s.ID] = checked
		if s.Network {
			networks = append(networks, s.ID)
		}
	}
	return all, network.Check(slices.Collect(maps.Keys(all)), networks)
}

func check(s Site, clients *limit.Clients, log *slog.Logger) (*Settings, error) {
	checked := &Settings{Site: s}
	var err error
	if checked.Allowed, err = origin.ParseAll(s.Origins); err != nil {
		return nil, err
	}
	for _, secret := range s.Secrets {
		checked.Keys.Keys = append(checked.Keys.Keys, []byte(secret))
	}
	if s.Upstream != "" {
		checked.Proxy, err = proxy.New(s.Upstream, clients, log)
	}
	return checked, err
}

// changes says what differs from older settings of the same site, without any secret.
func (s *Settings) changes(old *Settings) (list []string) {
	for _, part := range []struct {
		name  string
		equal bool
	}{
		{"secrets", slices.Equal(s.Secrets, old.Secrets)},
		{"origins", slices.Equal(s.Origins, old.Origins)},
		{"upstream", s.Upstream == old.Upstream},
		{"private", s.Private == old.Private},
	} {
		if !part.equal {
			list = append(list, part.name)
		}
	}
	return list
}

// Merge compares new settings with those that are served, by the id of the site, and adds the sites
// that are removed. It returns what changes, and what changes only with a restart: whether a site is
// a network stays as it is. It returns an error if nothing must change.
func Merge(served, next map[string]*Settings) (changed, restart []string, err error) {
	var networks []string
	for id, now := range next {
		old := served[id]
		if old != nil && now.Network != old.Network {
			now.Network = old.Network
			restart = append(restart, "whether site "+id+" is a network")
		}
		if now.Network {
			networks = append(networks, id)
		}
		if old != nil && now.Upstream == old.Upstream {
			now.Proxy = old.Proxy // with the requests that it has passed on
		}
		if old == nil || old.Removed {
			changed = append(changed, "site "+id+" is new")
		} else if parts := now.changes(old); len(parts) > 0 {
			changed = append(changed, "site "+id+": "+strings.Join(parts, ", "))
		}
	}
	if err := network.Check(slices.Collect(maps.Keys(next)), networks); err != nil {
		return nil, nil, err
	}
	for id, old := range served {
		if next[id] == nil {
			removed := *old
			removed.Removed = true
			next[id] = &removed
			if !old.Removed {
				changed = append(changed, "site "+id+" is removed")
			}
		}
	}
	slices.Sort(changed)
	slices.Sort(restart)
	return changed, restart, nil
}
