package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// maxValue bounds an entry as JSON: one person's screen and name, not a store.
const maxValue = 16 << 10

// ErrTooLarge is Put's error for an entry that is larger than NATS would take.
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
}

// Stored is the value of a key in the bucket: the entry as one connection
// knows it.
type Stored struct {
	Entry
	FocusedAt int64  `json:"focused_at"`     // unix ms of its last beat with focus, 0 if never
	Node      string `json:"node"`           // who wrote it
	Held      bool   `json:"held,omitempty"` // a page's link keeps it
}

// before says which of two connections of one client id is shown less: the
// one that had the focus longer ago, so tabs never overwrite each other's
// screen.
func (s *Stored) before(conn string, other *Stored, otherConn string) bool {
	if s.FocusedAt != other.FocusedAt {
		return s.FocusedAt < other.FocusedAt
	}
	if s.DateGMT != other.DateGMT {
		return s.DateGMT < other.DateGMT
	}
	return conn < otherConn
}

// seal makes the value that is written for a key, and the same value as
// everybody will read it: marshalling compacts Data, and a local copy that
// differed from its own echo would be announced as an update.
func seal(k Key, s Stored, node string) (*Stored, []byte, error) {
	s.Room, s.ClientID, s.Node = k.Room, k.ClientID, node
	if len(s.Data) == 0 {
		s.Data = json.RawMessage("{}")
	}
	value, err := marshal(s)
	if err != nil {
		return nil, nil, err
	}
	if len(value) > maxValue {
		return nil, nil, fmt.Errorf("%w: %d bytes, at most %d are stored", ErrTooLarge, len(value), maxValue)
	}
	stored := new(Stored)
	if err := json.Unmarshal(value, stored); err != nil {
		return nil, nil, err
	}
	if !isObject(stored.Data) {
		return nil, nil, errors.New("data is not a JSON object")
	}
	return stored, value, nil
}

// marshal leaves <, > and & as they are: escaped, they are six times as long,
// and an entry whose data is just not too large would be.
func marshal(s Stored) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// unseal reads a value of the bucket, and believes it only when it belongs
// under the key it was found at.
func unseal(name string, value []byte) (Key, *Stored, error) {
	key, err := ParseKey(name)
	if err != nil {
		return Key{}, nil, err
	}
	stored := new(Stored)
	if err := json.Unmarshal(value, stored); err != nil {
		return Key{}, nil, fmt.Errorf("presence of %s: %w", name, err)
	}
	if !isObject(stored.Data) {
		return Key{}, nil, fmt.Errorf("presence of %s: data is not a JSON object", name)
	}
	key.Room, key.ClientID = stored.Room, stored.ClientID
	if key.String() != name {
		return Key{}, nil, fmt.Errorf("presence of %s: the entry is that of %s", name, key)
	}
	return key, stored, nil
}

func isObject(data json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}
