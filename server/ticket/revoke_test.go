package ticket

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestRevocationSerials checks that tickets with serials are compared by these with revocations
// that have one, whatever the clock says, and by the time with others.
func TestRevocationSerials(t *testing.T) {
	const room = "postType/post:42"
	noon := time.Now()
	before, after := noon.Add(-10*time.Minute), noon.Add(10*time.Minute)
	numbered, plain := Revocation{User: 7, Until: noon.UnixMilli(), Serial: 6}, Revocation{User: 7, Until: noon.UnixMilli()}
	for name, c := range map[string]struct {
		revocations []Revocation
		issued      time.Time
		serials     []int64
		revoked     bool
	}{
		"an older ticket":                          {[]Revocation{numbered}, before, []int64{5, 0}, true},
		"an older ticket of before a set-back":     {[]Revocation{numbered}, after, []int64{5, 0}, true},
		"a newer ticket":                           {[]Revocation{numbered}, after, []int64{6, 0}, false},
		"a newer ticket of after a set-back":       {[]Revocation{numbered}, before, []int64{6, 0}, false},
		"the site's serial is not the user's":      {[]Revocation{numbered}, after, []int64{5, 9}, true},
		"the user's serial is not the site's":      {[]Revocation{{Until: noon.UnixMilli(), Serial: 6}}, after, []int64{9, 5}, true},
		"no serial in the ticket, older":           {[]Revocation{numbered}, before, nil, true},
		"no serial in the ticket, newer":           {[]Revocation{numbered}, after, nil, false},
		"one serial in the ticket":                 {[]Revocation{numbered}, before, []int64{9}, true},
		"no serial in the revocation, older":       {[]Revocation{plain}, before, []int64{9, 9}, true},
		"no serial in the revocation, newer":       {[]Revocation{plain}, after, []int64{0, 0}, false},
		"a later revocation without a serial":      {[]Revocation{numbered, plain}, before, []int64{6, 0}, true},
		"an earlier revocation without a serial":   {[]Revocation{plain, numbered}, after, []int64{5, 0}, true},
		"a revocation with a lower serial, later":  {[]Revocation{numbered, {User: 7, Until: noon.UnixMilli(), Serial: 3}}, after, []int64{5, 0}, true},
		"all tickets of a network are by the time": {[]Revocation{{Network: true, Until: noon.UnixMilli()}}, before, []int64{9, 9}, true},
		"just before it, with its serial":          {[]Revocation{numbered}, noon.Add(-30 * time.Second), []int64{6, 0}, true},
		"at its time, with its serial":             {[]Revocation{numbered}, noon, []int64{6, 0}, true},
		"just after it, with its serial":           {[]Revocation{numbered}, noon.Add(time.Millisecond), []int64{6, 0}, false},
		"a minute before it, with its serial":      {[]Revocation{numbered}, noon.Add(-time.Minute), []int64{6, 0}, false},
		"another user":                             {[]Revocation{{User: 8, Until: noon.UnixMilli(), Serial: 6}}, before, []int64{0, 0}, false},
		"another log-in":                           {[]Revocation{{User: 7, SID: "other", Until: noon.UnixMilli(), Serial: 6}}, before, []int64{0, 0}, false},
	} {
		v, claims := newVerifier(), fullClaims()
		claims.IssuedAt, claims.Serials = NewTime(c.issued), c.serials
		for _, r := range c.revocations {
			v.Revoke("blog", r)
		}
		if revoked := v.Revoked("blog", &claims); revoked != c.revoked {
			t.Errorf("%s: revoked is %v", name, revoked)
		}
		if c.revocations[0].User != 7 { // the same for a room
			continue
		}
		claims.Rooms, claims.Serials = []string{room}, slices.Clone(claims.Serials)
		slices.Reverse(claims.Serials)
		for _, r := range c.revocations {
			v.Revoke("blog", Revocation{Room: room, Until: r.Until, Serial: r.Serial})
		}
		sid := c.revocations[0].SID != ""
		if less := v.WithoutRevokedRooms("blog", &claims); !sid && (len(less.Rooms) == 0) != c.revoked {
			t.Errorf("%s: the rooms are %v", name, less.Rooms)
		}
		if revoked := v.postRevoked("blog", &claims, 42); !sid && revoked != c.revoked {
			t.Errorf("%s: postRevoked is %v", name, revoked)
		}
	}
}

// TestRevocationsAreKept checks that a revocation is kept until the tickets of before a set-back
// of an hour have expired, and not for longer.
func TestRevocationsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerifier()
		v.Revoke("blog", Revocation{User: 7, Until: time.Now().UnixMilli(), Serial: 6})
		claims := fullClaims()
		claims.IssuedAt, claims.Serials = NewTime(time.Now().Add(time.Hour)), []int64{5, 0}
		another := func() { v.Revoke("blog", Revocation{Room: "a/b", Until: time.Now().UnixMilli()}) }
		time.Sleep(2 * time.Hour)
		another()
		if !v.Revoked("blog", &claims) {
			t.Error("the revocation is forgotten before the ticket has expired")
		}
		time.Sleep(11 * time.Minute)
		another()
		if v.Revoked("blog", &claims) {
			t.Error("the revocation is kept for too long")
		}
	})
}
