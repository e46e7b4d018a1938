package server

import "slices"

// User is somebody who is logged in, as far as WordPress told. Calls share it: a
// hook does not change it.
type User struct {
	ID            int64
	Name          string
	Avatar        string
	EditPosts     bool
	ManageOptions bool
	Rooms         []string      // post rooms they may enter and hear
	Types         []string      // post types all of whose posts they may edit
	AdminURL      string        // of wp-admin/, for those who have Types
	Post          *Post         // what their page edits
	ScreenLabels  []ScreenLabel // what screens' ids are called
}

// ScreenLabel is what people call a screen.
type ScreenLabel struct{ Screen, Label string }

// screenLabel is what a screen is called, if that was said.
func (u *User) screenLabel(screen string) string {
	for _, l := range u.ScreenLabels {
		if l.Screen == screen {
			return l.Label
		}
	}
	return ""
}

// adminRoom is where everybody is who has the admin open.
const adminRoom = "admin/online"

// mayEnter says whether the user may be in a room.
func (u *User) mayEnter(room string) bool {
	if room == adminRoom {
		return u.EditPosts
	}
	post, ok := parsePostRoom(room)
	return slices.Contains(u.Rooms, room) || ok && slices.Contains(u.Types, post.Type)
}

// hears lists the rooms whose changes go to the user's pages.
func (u *User) hears() []string {
	if !u.EditPosts {
		return slices.Clone(u.Rooms)
	}
	return append([]string{adminRoom}, u.Rooms...)
}
