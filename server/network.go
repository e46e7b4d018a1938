package server

import "regexp"

// maxMembers is how many sites of one network a node knows at a time.
const maxMembers = 10_000

// memberID is how a WordPress network's sites are named: 'default-3' is the third
// of the network whose first is 'default'.
var memberID = regexp.MustCompile(`^(.+)-([1-9][0-9]{0,9})$`)

// configuredSite returns the configured site of an id: the site itself, or the first of
// its network. Nil if there is none.
func (s *Server) configuredSite(id string) *site {
	if st := s.sites[id]; st != nil {
		return st
	}
	if m := memberID.FindStringSubmatch(id); m != nil {
		return s.sites[m[1]]
	}
	return nil
}

// site returns a site by its id. The sites of a network have the secrets and the
// origins of its first, and rooms of their own. Nil if there is no such site, or
// no place for one more: call it only with an id that somebody vouched for.
func (s *Server) site(id string) *site {
	first := s.configuredSite(id)
	if first == nil || first.ID == id {
		return first
	}
	s.membersMu.Lock()
	defer s.membersMu.Unlock()
	st := s.members[id]
	if st == nil && s.membersOf(first.ID) < maxMembers {
		own := first.Site
		own.ID = id
		st, _ = newSite(own, s.broker) // as the first one could be made
		st.upstream, st.network = first.upstream, first.ID
		s.members[id] = st
	}
	if st != nil {
		st.touch() // under the lock, so that forgetMembers does not drop it
	}
	return st
}

// membersOf counts a network's sites but for its first. membersMu is held.
func (s *Server) membersOf(network string) (n int) {
	for _, st := range s.members {
		if st.network == network {
			n++
		}
	}
	return n
}

// forgetMembers drops the sites that nobody has used for a while. A site whose
// first page comes meanwhile has just been asked for, and stays.
func (s *Server) forgetMembers() {
	used := s.sessions.sites()
	s.membersMu.Lock()
	defer s.membersMu.Unlock()
	for id, st := range s.members {
		if !used[id] && st.rests() {
			delete(s.members, id)
		}
	}
}

// allSites are those that are configured and those of their networks so far.
func (s *Server) allSites() []*site {
	s.membersMu.Lock()
	defer s.membersMu.Unlock()
	all := make([]*site, 0, len(s.sites)+len(s.members))
	for _, st := range s.sites {
		all = append(all, st)
	}
	for _, st := range s.members {
		all = append(all, st)
	}
	return all
}

// networkOf is what the sites of a network share: log-ins, and so revocations.
func (s *Server) networkOf(id string) string {
	if first := s.configuredSite(id); first != nil {
		return first.ID
	}
	return id
}
