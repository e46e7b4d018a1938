package settings

import (
	"maps"
	"slices"

	"github.com/heartbeatd/heartbeatd/server/origin"
)

// Served are the settings of the sites that a node serves. They are found by their origins without a walk over all
// sites, since any client can ask. They are not changed.
type Served struct {
	list     []*Settings
	byOrigin map[origin.Origin]*Settings // of several sites with the same origin the one whose id comes first
}

// NewServed returns the sites among all, by id, that were not removed.
func NewServed(all map[string]*Settings) *Served {
	s := &Served{byOrigin: make(map[origin.Origin]*Settings)}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		now := all[id]
		if now.Removed {
			continue
		}
		s.list = append(s.list, now)
		for _, o := range now.Allowed {
			if s.byOrigin[o] == nil {
				s.byOrigin[o] = now
			}
		}
	}
	return s
}

// All returns the settings of all sites.
func (s *Served) All() []*Settings { return s.list }

// HasOrigin reports whether an origin belongs to a site.
func (s *Served) HasOrigin(o origin.Origin) bool { return s.byOrigin[o] != nil }

// OfHost returns the settings of the site that a request's Host header belongs to: the one with
// that origin, or else the only site. It returns nil if there is none.
func (s *Served) OfHost(host string) *Settings {
	for _, o := range origin.OfHost(host) {
		if now := s.byOrigin[o]; now != nil {
			return now
		}
	}
	if len(s.list) == 1 {
		return s.list[0]
	}
	return nil
}
