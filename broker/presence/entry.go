package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// DefaultTTL is how long an entry lives without renewal, unless the nodes are configured
// otherwise.
const DefaultTTL = time.Minute

// MaxValue is the size of the largest value as JSON, in bytes.
const MaxValue = 16 << 10

const (
	// MaxName is the maximum number of characters of a room, a client ID and a name, as in
	// the Presence API.
	MaxName = 191
	// MaxAvatar is the maximum number of bytes of an avatar's URL.
	MaxAvatar = 2048
)

// ErrTooLarge is Normalize's error for a value of more than MaxValue bytes as JSON.
var ErrTooLarge = errors.New("the entry is too large")

// Entry is one client id in one room, as browsers and services see it.
type Entry struct {
	Room        string          `json:"room"`
	ClientID    string          `json:"client_id"`
	UserID      int64           `json:"user_id"`
	DisplayName string          `json:"display_name"`
	AvatarURL   string          `json:"avatar_url"`
	Data        json.RawMessage `json:"data"` // an object
	DateGMT     string          `json:"date_gmt"`
	Idle        Activity        `json:"idle,omitempty"`
	ExpiresGMT  string          `json:"expires_gmt,omitempty"` // when it expires, if it has a lifetime of its own
	PostTitle   *string         `json:"post_title,omitempty"`  // of the room's post, said by a back end whose user has written Data; nil: Data may have it
}

// SameButIdleAndDate reports whether two entries differ at most in Idle, DateGMT and
// ExpiresGMT.
func (e *Entry) SameButIdleAndDate(other *Entry) bool {
	return e.Room == other.Room && e.ClientID == other.ClientID && e.UserID == other.UserID &&
		e.DisplayName == other.DisplayName && e.AvatarURL == other.AvatarURL && equalText(e.PostTitle, other.PostTitle) && bytes.Equal(e.Data, other.Data)
}

func equalText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// SameButDate reports whether two entries differ at most in DateGMT and ExpiresGMT.
func (e *Entry) SameButDate(other *Entry) bool {
	return e.Idle == other.Idle && e.SameButIdleAndDate(other)
}

// Stored is the value of a key in the bucket: an entry as one connection wrote it.
type Stored struct {
	Entry
	FocusedAt int64  `json:"focused_at"`     // unix ms of its last beat with focus, 0 if never
	Node      string `json:"node"`           // the node that wrote it
	Held      bool   `json:"held,omitempty"` // a page's link renews it
}

// before reports whether another connection of the same client id is shown rather than this
// one. The connection that was focused last is shown.
func (s *Stored) before(conn string, other *Stored, otherConn string) bool {
	if s.FocusedAt != other.FocusedAt {
		return s.FocusedAt < other.FocusedAt
	}
	if s.DateGMT != other.DateGMT {
		return s.DateGMT < other.DateGMT
	}
	return conn < otherConn
}

// Normalize returns a value exactly as it is read back from NATS; a local copy that differs
// would be reported as an update. Fields that equal those of last, the node's last value of
// the key or nil, share its memory and are not parsed again.
func Normalize(k Key, s Stored, node string, last *Stored) (*Stored, error) {
	s.Node = node
	if last == nil {
		last = new(Stored)
	} else if last.SameButDate(&s.Entry) {
		date, expires := readable(s.DateGMT, last.DateGMT), readable(s.ExpiresGMT, last.ExpiresGMT)
		s.Entry = last.Entry
		s.DateGMT, s.ExpiresGMT = date, expires
		return &s, nil
	}
	s.Room, s.ClientID = readable(k.Room, last.Room), readable(k.ClientID, last.ClientID)
	s.DisplayName, s.AvatarURL = readable(s.DisplayName, last.DisplayName), readable(s.AvatarURL, last.AvatarURL)
	s.DateGMT, s.ExpiresGMT = readable(s.DateGMT, last.DateGMT), readable(s.ExpiresGMT, last.ExpiresGMT)
	if s.PostTitle != nil {
		title := readable(*s.PostTitle, "")
		s.PostTitle = &title
	}
	if len(last.Data) > 0 && bytes.Equal(s.Data, last.Data) {
		s.Data = last.Data
	} else {
		var err error
		if s.Data, err = compact(s.Data); err != nil {
			return nil, err
		}
	}
	if s.size(6) > MaxValue {
		if size := len(s.appendJSON(nil)); size > MaxValue {
			return nil, fmt.Errorf("%w: %d bytes, at most %d are stored", ErrTooLarge, size, MaxValue)
		}
	}
	return &s, nil
}

// readable returns text with invalid UTF-8 replaced, or last if it is the same.
func readable(text, last string) string {
	switch {
	case text == last:
		return last
	case utf8.ValidString(text):
		return text
	}
	return string([]rune(text)) // each invalid byte becomes U+FFFD
}

// compact returns a JSON object without whitespace.
func compact(data json.RawMessage) (json.RawMessage, error) {
	if len(data) == 0 {
		return json.RawMessage("{}"), nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return nil, err
	}
	if err := CheckData(b.Bytes()); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil // without the spare capacity of the buffer
}

// CheckData reports what is wrong with an entry's data, which is valid JSON without whitespace
// before it.
func CheckData(data json.RawMessage) error {
	if !isObject(data) {
		return errors.New("data is not a JSON object")
	}
	if len(data) > MaxData {
		return fmt.Errorf("data has %d bytes of JSON, and at most %d are allowed", len(data), MaxData)
	}
	if err := CheckJSON(data, MaxDataValues); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// valueFrame is the largest number of bytes that a value has besides its strings.
const valueFrame = 256

// size returns an upper bound of the bytes that the value has as JSON, if each byte of its
// strings becomes at most escaped bytes.
func (s *Stored) size(escaped int) int {
	text := len(s.Room) + len(s.ClientID) + len(s.DisplayName) + len(s.AvatarURL) + len(s.DateGMT) + len(s.ExpiresGMT) + len(s.Node)
	if s.PostTitle != nil {
		text += len(*s.PostTitle)
	}
	return valueFrame + escaped*text + len(s.Data)
}

// Size returns about how many bytes the value has as JSON.
func (s *Stored) Size() int { return s.size(1) }

// JSON returns a normalized value as it is stored.
func (s *Stored) JSON() []byte { return s.appendJSON(make([]byte, 0, s.size(1))) }

// appendJSON appends a normalized value as encoding/json does, except that it does not
// escape <, > and &: escaped, they take six bytes, and an entry that is small enough would
// become too large.
func (s *Stored) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"room":`...), s.Room)
	b = appendString(append(b, `,"client_id":`...), s.ClientID)
	b = strconv.AppendInt(append(b, `,"user_id":`...), s.UserID, 10)
	b = appendString(append(b, `,"display_name":`...), s.DisplayName)
	b = appendString(append(b, `,"avatar_url":`...), s.AvatarURL)
	b = append(append(b, `,"data":`...), s.Data...)
	b = appendString(append(b, `,"date_gmt":`...), s.DateGMT)
	b = s.Idle.AppendMember(b)
	if s.ExpiresGMT != "" {
		b = appendString(append(b, `,"expires_gmt":`...), s.ExpiresGMT)
	}
	if s.PostTitle != nil {
		b = appendString(append(b, `,"post_title":`...), *s.PostTitle)
	}
	b = strconv.AppendInt(append(b, `,"focused_at":`...), s.FocusedAt, 10)
	b = appendString(append(b, `,"node":`...), s.Node)
	if s.Held {
		b = append(b, `,"held":true`...)
	}
	return append(b, '}')
}

func appendString(b []byte, text string) []byte {
	for i := range len(text) {
		const mayBeLineSeparator = 0xE2
		if c := text[i]; c < ' ' || c == '"' || c == '\\' || c == mayBeLineSeparator {
			return appendEscaped(b, text)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

func appendEscaped(b []byte, text string) []byte {
	var escaped bytes.Buffer
	e := json.NewEncoder(&escaped)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string has no error
	return append(b, bytes.TrimSuffix(escaped.Bytes(), []byte("\n"))...)
}

// originalKey returns the key with the room and the client id of the value, which replace
// the hashes in a key that was too long. A value of another room or client id is an error:
// otherwise any writer on NATS could put somebody into a room with it.
func originalKey(k Key, name string, s *Stored) (Key, error) {
	full := Key{k.Site, s.Room, s.ClientID, k.Conn}
	if full.String() != name {
		return Key{}, fmt.Errorf("presence of %s: the entry belongs to %s", name, full)
	}
	return full, nil
}

// ParseStored parses the value of a key, which is given as Key.String returns it. It checks
// that the value belongs to the key, and that pages and PHP can read its data: everybody who may
// write to NATS can write one. In the key that it returns, hashes are replaced by the
// originals.
func ParseStored(name string, value []byte) (Key, *Stored, error) {
	key, err := ParseKey(name)
	if err != nil {
		return Key{}, nil, err
	}
	stored := new(Stored)
	if err := json.Unmarshal(value, stored); err != nil {
		return Key{}, nil, fmt.Errorf("presence of %s: %w", name, err)
	}
	err = CheckData(stored.Data)
	if len(value) > MaxValue {
		err = fmt.Errorf("%w: %d bytes", ErrTooLarge, len(value))
	}
	if err != nil {
		return Key{}, nil, fmt.Errorf("presence of %s: %w", name, err)
	}
	if key, err = originalKey(key, name, stored); err != nil {
		return Key{}, nil, err
	}
	return key, stored, nil
}

func isObject(data json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}
