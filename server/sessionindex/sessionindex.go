// Package sessionindex finds the sessions of a site and of a user among those of a node.
package sessionindex

import (
	"iter"
	"slices"
)

// Index has sessions by site and user.
type Index[S comparable] map[string]map[int64][]S

// Add adds a session.
func (x Index[S]) Add(site string, user int64, s S) {
	if x[site] == nil {
		x[site] = make(map[int64][]S)
	}
	x[site][user] = append(x[site][user], s)
}

// Remove removes a session.
func (x Index[S]) Remove(site string, user int64, s S) {
	users := x[site]
	own := users[user]
	if i := slices.Index(own, s); i >= 0 {
		own = slices.Delete(own, i, i+1)
		users[user] = own
	}
	if len(own) == 0 {
		delete(users, user)
	}
	if len(users) == 0 {
		delete(x, site)
	}
}

// Count returns the number of sessions of a site.
func (x Index[S]) Count(site string) (n int) {
	for _, own := range x[site] {
		n += len(own)
	}
	return n
}

// Of yields the sessions of a user of a site, or of all users if user is 0.
func (x Index[S]) Of(site string, user int64) iter.Seq[S] {
	if user != 0 {
		return slices.Values(x[site][user])
	}
	return func(yield func(S) bool) {
		for _, own := range x[site] {
			for _, s := range own {
				if !yield(s) {
					return
				}
			}
		}
	}
}
