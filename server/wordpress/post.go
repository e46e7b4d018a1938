package wordpress

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// AdminRoom is the room of everybody who has the admin open.
const AdminRoom = "admin/online"

// Post is a post of a site.
type Post struct {
	ID     int64   `json:"id"`
	Type   string  `json:"type"`
	Status string  `json:"status,omitempty"` // empty: not known
	Title  *string `json:"title,omitempty"`  // nil: not known
}

// Room returns the name of the post's room, postType/TYPE:ID.
func (p Post) Room() string { return "postType/" + p.Type + ":" + strconv.FormatInt(p.ID, 10) }

// ParsePostRoom reads the name of a post's room. It returns false for any other room.
func ParsePostRoom(room string) (Post, bool) {
	rest, is := strings.CutPrefix(room, "postType/")
	kind, number, found := strings.Cut(rest, ":")
	if !is || !found || kind == "" || number == "" || number[0] == '0' || strings.Trim(number, "0123456789") != "" {
		return Post{}, false
	}
	id, err := strconv.ParseInt(number, 10, 64)
	return Post{ID: id, Type: kind}, err == nil
}

// UnmarshalJSON reads a post as UnmarshalMembers does. A post without an id or a type
// is an error.
func (p *Post) UnmarshalJSON(b []byte) error {
	if err := UnmarshalMembers(b, p); err != nil {
		return err
	}
	if p.ID <= 0 || p.Type == "" {
		return &json.UnmarshalTypeError{Value: "object without an id or a type", Type: reflect.TypeFor[Post]()}
	}
	return nil
}
