package bucket

import (
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

func TestRevisions(t *testing.T) {
	k := presence.Key{Site: "site", Room: "r", ClientID: "user-1", Conn: "a"}
	name := k.String()
	some := &presence.Stored{}
	var m Revisions
	there := func(want bool, what string) {
		t.Helper()
		if f := m.keys[name]; (f != nil && f.stored != nil) != want {
			t.Errorf("%s: there: %v", what, !want)
		}
	}
	m.Begin(1)
	m.Learn(name, k, some, 5)
	there(true, "acked")
	m.Update(name, k, nil, 4)
	there(true, "the watch is behind the ack")
	m.Learn(name, k, nil, 6)
	there(false, "its purge acked")
	m.Update(name, k, some, 5)
	there(false, "the watch is behind the purge")
	m.Update(name, k, nil, 6)
	if len(m.keys) != 0 {
		t.Error("remembered after the watch has told")
	}

	m.Learn(name, k, some, 700)
	m.Begin(2)
	there(true, "of an earlier bucket")
	m.Update(name, k, some, 1)
	if gone := m.Expire(); len(gone) != 0 {
		t.Error("expired, though it was written again")
	}
	m.Update(name, k, nil, 2)
	there(false, "gone from the new bucket")

	m.Learn(name, k, some, 3)
	m.Begin(2)
	m.Update(name, k, some, 3) // no news, but a sign of life
	if gone := m.Expire(); len(gone) != 0 {
		t.Error("expired, though it is still there")
	}
	m.Begin(2)
	if gone := m.Expire(); len(gone) != 1 || gone[0] != name {
		t.Errorf("expired: %v", gone)
	}
}
