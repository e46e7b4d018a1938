package restapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// PostConn is the connection ID of clients that POST and name none.
	PostConn = "poll"
	// maxName is the maximum number of characters of a room, a client ID and a name. The
	// table of the Presence API cuts longer ones. Here they are refused.
	maxName = presence.MaxName
	// maxAhead is how far a back end's clock may be ahead of the node's.
	maxAhead = time.Hour
)

// CheckEntry reports what is wrong with an entry of a back end. It compacts the
// entry's data.
func CheckEntry(e *presence.Entry) error {
	if err := cmp.Or(checkName("room", e.Room), checkName("client_id", e.ClientID)); err != nil {
		return err
	}
	if len(e.Data) == 0 {
		e.Data = json.RawMessage("{}")
	}
	var data bytes.Buffer
	_ = json.Compact(&data, e.Data) // valid, since it was decoded
	e.Data = data.Bytes()
	dataErr := presence.CheckData(e.Data)
	date, err := time.Parse(wordpress.DateLayout, e.DateGMT)
	switch {
	case e.UserID < 0:
		return errors.New("user_id must be a user ID, or 0 for no user")
	case dataErr != nil:
		return dataErr
	case utf8.RuneCountInString(e.DisplayName) > maxName || strings.ContainsFunc(e.DisplayName, unicode.IsControl):
		return fmt.Errorf("display_name has at most %d characters and no control characters", maxName)
	case len(e.AvatarURL) > presence.MaxAvatar || strings.ContainsFunc(e.AvatarURL, unicode.IsControl):
		return fmt.Errorf("avatar_url has at most %d bytes and no control characters", presence.MaxAvatar)
	case e.PostTitle != nil && utf8.RuneCountInString(*e.PostTitle) > maxName:
		return fmt.Errorf("post_title has at most %d characters", maxName)
	case err != nil:
		return fmt.Errorf("date_gmt must have the format %s", wordpress.DateLayout)
	case time.Until(date) > maxAhead:
		return fmt.Errorf("date_gmt is more than %v in the future", maxAhead)
	}
	return nil
}

// checkName refuses rooms and client IDs that cannot be stored unchanged.
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is missing", what)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("%s has at most %d characters", what, maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%s has a control character", what)
	case !utf8.ValidString(name) || strings.ContainsRune(name, utf8.RuneError):
		return fmt.Errorf("%s is not UTF-8", what)
	}
	return nil
}
