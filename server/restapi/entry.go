package restapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// PostConn is the connection ID of clients that POST and name none.
	PostConn = "poll"
	// maxName is the maximum number of characters of a room, a client ID and a name, as
	// in the Presence API, whose table cuts longer ones. Here they are refused.
	maxName = 191
	// maxAvatar is the maximum number of bytes of an avatar's URL.
	maxAvatar = 2048
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
	date, err := time.Parse(wordpress.DateLayout, e.DateGMT)
	switch {
	case e.UserID < 0:
		return errors.New("user_id must be a user ID, or 0 for no user")
	case e.Data[0] != '{':
		return errors.New("data must be an object")
	case len(e.Data) > hook.MaxData:
		return fmt.Errorf("data has %d bytes of JSON, and at most %d are allowed", len(e.Data), hook.MaxData)
	case hasNULName(e.Data):
		return errors.New("data has a name with a NUL character, which PHP cannot read")
	case utf8.RuneCountInString(e.DisplayName) > maxName || strings.ContainsFunc(e.DisplayName, unicode.IsControl):
		return fmt.Errorf("display_name has at most %d characters and no control characters", maxName)
	case len(e.AvatarURL) > maxAvatar || strings.ContainsFunc(e.AvatarURL, unicode.IsControl):
		return fmt.Errorf("avatar_url has at most %d bytes and no control characters", maxAvatar)
	case err != nil:
		return fmt.Errorf("date_gmt must have the format %s", wordpress.DateLayout)
	case time.Until(date) > maxAhead:
		return fmt.Errorf("date_gmt is more than %v in the future", maxAhead)
	}
	return nil
}

// hasNULName reports whether a name in valid JSON has a NUL character.
func hasNULName(data []byte) bool {
	if !bytes.Contains(data, []byte(`\u0000`)) {
		return false
	}
	var value any
	return json.Unmarshal(data, &value) != nil || hasNULKey(value)
}

// hasNULKey reports whether a decoded value has a key with a NUL character at any depth.
func hasNULKey(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for name, v := range value {
			if strings.ContainsRune(name, 0) || hasNULKey(v) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(value, hasNULKey)
	}
	return false
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
