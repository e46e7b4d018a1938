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
	wantStored := func(want bool, when string) {
		t.Helper()
		if f := m.keys[name]; (f != nil && f.stored != nil) != want {
			t.Errorf("%s: the key has a value: %v", when, !want)
		}
	}
	m.Begin(1)
	m.Learn(name, k, some, 5)
	wantStored(true, "after the ack")
	m.Update(name, k, nil, 4)
	wantStored(true, "after an update older than the ack")
	m.Learn(name, k, nil, 6)
	wantStored(false, "after the ack of a purge")
	m.Update(name, k, some, 5)
	wantStored(false, "after an update older than the purge")
	m.Update(name, k, nil, 6)
	if len(m.keys) != 0 {
		t.Error("the deleted key is kept after the watch has brought the deletion")
	}

	m.Learn(name, k, some, 700)
	m.Begin(2)
	wantStored(true, "of an earlier bucket")
	m.Update(name, k, some, 1)
	if gone := m.Expire(); len(gone) != 0 {
		t.Error("expired, although it was written again")
	}
	m.Update(name, k, nil, 2)
	wantStored(false, "after the deletion in the new bucket")

	m.Learn(name, k, some, 3)
	m.Begin(2)
	m.Update(name, k, some, 3) // a known revision still marks the key as present
	if gone := m.Expire(); len(gone) != 0 {
		t.Error("expired, although it was in the snapshot")
	}
	m.Begin(2)
	if gone := m.Expire(); len(gone) != 1 || gone[0] != name {
		t.Errorf("expired: %v", gone)
	}
}
