package hook

import (
	"slices"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// User is a logged-in user, as WordPress described them in the ticket. Calls share it: a
// hook must not change it.
type User struct {
	ID            int64
	Name          string
	Avatar        string
	EditPosts     bool
	ManageOptions bool
	Unrecorded    bool            // their presence is not recorded: they enter no room
	NoLocations   bool            // they may not see where others are: no presence of admin/online
	Rooms         []string        // rooms that they may enter and hear, besides admin/online
	Types         []string        // post types all of whose posts they may edit
	AdminURL      string          // the URL of wp-admin/; only for users who may edit posts
	Post          *wordpress.Post // the post that their page edits
	ScreenLabels  []ScreenLabel
}

// ScreenLabel is the name that a screen has in the admin.
type ScreenLabel struct{ Screen, Label string }

// ScreenLabel returns the name of a screen, or an empty string if WordPress did not
// name it.
func (u *User) ScreenLabel(screen string) string {
	for _, l := range u.ScreenLabels {
		if l.Screen == screen {
			return l.Label
		}
	}
	return ""
}

// MayEnter reports whether the user may be in a room.
func (u *User) MayEnter(room string) bool {
	if room == wordpress.AdminRoom {
		return u.EditPosts
	}
	post, ok := wordpress.ParsePostRoom(room)
	return slices.Contains(u.Rooms, room) || ok && slices.Contains(u.Types, post.Type)
}

// Hears returns the rooms whose changes go to the user's pages.
func (u *User) Hears() []string {
	if !u.EditPosts {
		return slices.Clone(u.Rooms)
	}
	return append([]string{wordpress.AdminRoom}, u.Rooms...)
}
