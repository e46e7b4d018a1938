package presence

import (
	"errors"
	"time"
)

// Activity is what a page reports about its user's input.
type Activity uint8

// In JSON they are the member "idle": absent, false and true.
const (
	Unreported Activity = iota // the date of the entry decides
	Active
	Idle
)

// IdleAfter is the age of the date at which an entry counts as idle if no page has
// reported input.
const IdleAfter = 30 * time.Second

// IsIdle reports whether the entry counts as idle: as the page has reported, or else by the
// date.
func (e *Entry) IsIdle(now time.Time) bool {
	if e.Idle != Unreported {
		return e.Idle == Idle
	}
	return e.DateGMT < now.Add(-IdleAfter).UTC().Format(time.DateTime)
}

// AppendMember appends `,"idle":true`, `,"idle":false` or nothing to a JSON object.
func (a Activity) AppendMember(b []byte) []byte {
	switch a {
	case Active:
		return append(b, `,"idle":false`...)
	case Idle:
		return append(b, `,"idle":true`...)
	}
	return b
}

// MarshalJSON implements json.Marshaler.
func (a Activity) MarshalJSON() ([]byte, error) {
	switch a {
	case Active:
		return []byte("false"), nil
	case Idle:
		return []byte("true"), nil
	}
	return []byte("null"), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *Activity) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "false":
		*a = Active
	case "true":
		*a = Idle
	case "null":
		*a = Unreported
	default:
		return errors.New("idle must be true or false")
	}
	return nil
}
