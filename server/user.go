package server

import "slices"

// User is somebody who is logged in, as far as WordPress told.
type User struct {
	ID            int64
	Name          string
	Avatar        string
	EditPosts     bool
	ManageOptions bool
	Rooms         []string          // post rooms they may enter and hear
	ScreenLabels  map[string]string // what a screen's id is called
}

// adminRoom is where everybody is who has the admin open.
const adminRoom = "admin/online"

// mayHear says whether the user may enter a room and hear what happens there.
func (u *User) mayHear(room string) bool {
	if room == adminRoom {
		return u.EditPosts
	}
	return slices.Contains(u.Rooms, room)
}

// hears lists the rooms whose changes go to the user's pages.
func (u *User) hears() []string {
	if !u.EditPosts {
		return slices.Clone(u.Rooms)
	}
	return append([]string{adminRoom}, u.Rooms...)
}
