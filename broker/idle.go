package broker

import (
	"errors"
	"time"
)

// Activity is what a page reports of its user's input.
type Activity uint8

// In JSON they are a member that is missing, false and true: "idle".
const (
	Unreported Activity = iota // a client that only POSTs: its date decides
	Active
	Idle
)

// IdleAfter is how old the date of an entry is that counts as idle where no page
// reports input.
const IdleAfter = 30 * time.Second

// IsIdle says whether whoever an entry is of counts as idle: as the page reports
// it, and if none does, by the date.
func (e *Entry) IsIdle(now time.Time) bool {
	if e.Idle != Unreported {
		return e.Idle == Idle
	}
	return e.DateGMT < now.Add(-IdleAfter).UTC().Format(time.DateTime)
}

// AppendMember appends `,"idle":true` or false to a JSON object, or nothing.
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
