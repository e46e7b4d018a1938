package restapi

import (
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestDateOfAnEntry checks that an entry cannot be in the future, but a clock may be ahead.
func TestDateOfAnEntry(t *testing.T) {
	for date, valid := range map[string]bool{
		time.Now().UTC().Add(time.Minute).Format(wordpress.DateLayout): true,
		"2001-01-01 00:00:00": true,
		"9999-12-31 23:59:59": false,
		time.Now().UTC().Add(2 * time.Hour).Format(wordpress.DateLayout): false,
	} {
		e := presence.Entry{Room: "admin/online", ClientID: "user-1", UserID: 1, DateGMT: date}
		if err := CheckEntry(&e); (err == nil) != valid {
			t.Errorf("%s: %v", date, err)
		}
	}
}

// TestNamesInData checks that no name in an entry's data has a NUL character, at any depth.
func TestNamesInData(t *testing.T) {
	for data, valid := range map[string]bool{
		`{"a":"\u0000x"}`:               true,
		`{"a\\u0000":[{"b":"\u0000"}]}`: true,
		`{"\u0000x":1}`:                 false,
		`{"a":{"\u0000x":1}}`:           false,
		`{"a":[{"b":{"x\u0000":{}}}]}`:  false,
	} {
		e := presence.Entry{Room: "admin/online", ClientID: "user-1", UserID: 1, DateGMT: "2001-01-01 00:00:00", Data: []byte(data)}
		if err := CheckEntry(&e); (err == nil) != valid {
			t.Errorf("%s: %v", data, err)
		}
	}
}
