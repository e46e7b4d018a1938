// Package message is what the nodes of heartbeatd publish to each other on the topics
// topic.Pushes and topic.Deposits, with the limits that hold for it.
package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const (
	// MaxData is the maximum number of bytes of a push's data.
	MaxData = 64 << 10
	// MaxSpread is the maximum time over which the beats of nudged pages are spread.
	MaxSpread = time.Minute
	// MaxValues is the maximum number of values in a push's data and in a deposited value.
	MaxValues = 10_000
	// MaxName is the maximum number of bytes of a room and of a capability.
	MaxName = 191
)

// The kinds of a message.
const (
	Push  = "push"  // data for pages
	Nudge = "nudge" // pages beat now
	Cron  = "cron"  // when the site's next scheduled event is due
	Rooms = "rooms" // what others can see of rooms of the Presence API plugin
	// Renewed says that the rows which the Presence API plugin has of pages were renewed.
	Renewed = "renewed"
	// PHPBeats are beats that PHP answered because of callbacks, and beats that a node answered.
	PHPBeats = "php_beats"
)

// Message is one message. A node ignores kinds that it does not know.
type Message struct {
	Kind     string          `json:"kind"`
	To       Target          `json:"to"`
	Data     json.RawMessage `json:"data,omitempty"`
	SpreadMS int             `json:"spread_ms,omitempty"`
	Paced    bool            `json:"paced,omitempty"`     // of Nudge: see room.NudgeFrame
	At       int64           `json:"at,omitempty"`        // of Cron, in Unix s
	IssuedMS int64           `json:"issued_ms,omitempty"` // of Cron and Rooms: when WordPress sent it, in Unix ms
	Rooms    []RoomState     `json:"rooms,omitempty"`     // of Rooms
	Beat     bool            `json:"beat,omitempty"`      // of Rooms: a beat has written the rows, so only their Members count
	LivesMS  int64           `json:"lives_ms,omitempty"`  // of Renewed: how long the rows now live
	Beats    map[string]int  `json:"beats,omitempty"`     // of PHPBeats, by callback
	Native   int             `json:"native,omitempty"`    // of PHPBeats: those that the node answered
}

const (
	// MaxRooms is the maximum number of rooms of a message.
	MaxRooms = 50
	// maxLives is the longest time that rows live.
	maxLives = time.Hour
	// maxCallbacks is the maximum number of callbacks of a message, maxCallback the number of
	// bytes of each, and maxBeats the number of beats that one has.
	maxCallbacks = 50
	maxCallback  = 1000
	maxBeats     = 1_000_000
	// maxNative is the maximum number of native beats: a node with --max-pages may have millions in a minute.
	maxNative = 1_000_000_000
	// MaxRemoved is the maximum number of removed rows of a room.
	MaxRemoved = 50
	// maxState is the maximum number of bytes of a room's state.
	maxState = 100
)

// RoomState is what others can see of a room of the Presence API plugin.
type RoomState struct {
	Room    string `json:"room"`
	State   string `json:"state,omitempty"`   // the room's version, or a hash of its rows
	Members string `json:"members,omitempty"` // a hash of the client ids
	Expires int64  `json:"expires,omitempty"` // Unix s: when the next row expires; 0: not known
	Forced  bool   `json:"forced,omitempty"`  // the room has changed, although State is the same
	// Title is the title that the room's post has now; nil: it has not changed.
	Title *string `json:"title,omitempty"`
	// Removed has the client IDs of the rows that PHP has just removed.
	Removed []string `json:"removed,omitempty"`
}

// Check reports what is wrong with the state of a room.
func (s RoomState) Check() error {
	switch {
	case s.Room == "" || !utf8.ValidString(s.Room) || utf8.RuneCountInString(s.Room) > MaxName:
		return fmt.Errorf("a room has 1 to %d characters", MaxName)
	case len(s.State) > maxState || len(s.Members) > maxState:
		return fmt.Errorf("state and members have at most %d bytes", maxState)
	case s.Expires < 0:
		return errors.New("expires must be a time in Unix seconds")
	case s.Title != nil && utf8.RuneCountInString(*s.Title) > MaxName:
		return fmt.Errorf("title has at most %d characters", MaxName)
	case len(s.Removed) > MaxRemoved || slices.ContainsFunc(s.Removed, func(id string) bool { return len(id) > 4*MaxName }):
		return fmt.Errorf("removed has at most %d client IDs, with at most %d characters each", MaxRemoved, MaxName)
	}
	return nil
}

// Decode reads a message of the topic topic.Pushes, and checks what nodes do not check again:
// everybody who may write to NATS can send one.
func Decode(data []byte) (m Message, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, err
	}
	switch m.Kind {
	case Push, Nudge:
		err = m.To.Check()
	case Rooms:
		err = checkRooms(m.Rooms)
	case PHPBeats:
		err = checkBeats(m.Beats)
	}
	switch {
	case err != nil:
	case m.Kind == Push && (len(m.Data) == 0 || len(m.Data) > MaxData):
		err = fmt.Errorf("the data of a push has 1 to %d bytes, not %d", MaxData, len(m.Data))
	case m.Kind == Push:
		err = CheckJSON("the data of a push", m.Data)
	case m.Kind == Nudge && (m.SpreadMS < 0 || m.SpreadMS > int(MaxSpread.Milliseconds())):
		err = fmt.Errorf("spread_ms must be 0 to %d, not %d", MaxSpread.Milliseconds(), m.SpreadMS)
	case m.Native < 0 || m.Native > maxNative:
		err = fmt.Errorf("native must be 0 to %d, not %d", maxNative, m.Native)
	case m.Kind == Renewed && (m.LivesMS < 0 || m.LivesMS > maxLives.Milliseconds()):
		err = fmt.Errorf("lives_ms must be 0 to %d, not %d", maxLives.Milliseconds(), m.LivesMS)
	}
	return m, err
}

// CheckJSON reports why the data of a push or a deposited value, which is valid JSON, must not
// reach pages. The error begins with what.
func CheckJSON(what string, data json.RawMessage) error {
	if err := presence.CheckJSON(data, MaxValues); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func checkRooms(rooms []RoomState) error {
	if len(rooms) > MaxRooms {
		return fmt.Errorf("a message has at most %d rooms, not %d", MaxRooms, len(rooms))
	}
	for _, r := range rooms {
		if err := r.Check(); err != nil {
			return err
		}
	}
	return nil
}

func checkBeats(beats map[string]int) error {
	if len(beats) > maxCallbacks {
		return fmt.Errorf("a message has at most %d callbacks, not %d", maxCallbacks, len(beats))
	}
	for callback, n := range beats {
		if len(callback) > maxCallback || n < 0 || n > maxBeats {
			return fmt.Errorf("a callback has at most %d bytes, and 0 to %d beats", maxCallback, maxBeats)
		}
	}
	return nil
}

// Target says which pages receive a push or a nudge. Exactly one field is set.
type Target struct {
	Room string `json:"room,omitempty"`
	User int64  `json:"user,omitempty"`
	Can  string `json:"can,omitempty"` // a capability
	All  bool   `json:"all,omitempty"`
}

// Check reports what is wrong with a target.
func (t Target) Check() error {
	set := 0
	for _, is := range []bool{t.Room != "", t.User != 0, t.Can != "", t.All} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return errors.New("exactly one of room, user, can and all is required")
	case t.User < 0:
		return errors.New("user must be a user ID above 0")
	case len(t.Room) > MaxName || len(t.Can) > MaxName:
		return fmt.Errorf("a room or a capability has at most %d bytes", MaxName)
	case t.Room == "":
		return nil
	case !strings.Contains(t.Room, "/"): // pages receive no such room
		return errors.New(`room must contain a "/", for example postType/post:42; for a user, a capability or everyone use user, can or all`)
	}
	if _, ok := wordpress.ParsePostRoom(t.Room); !ok && strings.HasPrefix(t.Room, "postType/") {
		return errors.New("the room of a post is postType/TYPE:ID, for example postType/post:42")
	}
	return nil
}
