package ticket

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestWrongClock checks tickets on nodes whose clocks differ from WordPress's: a ticket is valid
// for an hour and native for twelve minutes, by WordPress's clock.
func TestWrongClock(t *testing.T) {
	for name, c := range map[string]struct {
		node    time.Duration // how far the node's clock is ahead of WordPress's
		refused bool
	}{
		"behind":         {-2 * time.Minute, false},
		"far behind":     {-6 * time.Minute, true},
		"the same clock": {0, false},
		"ahead":          {2 * time.Minute, false},
		"far ahead":      {ClockSkew, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVerifier()
				v.Time = func() time.Time { return time.Now().Add(c.node) }
				for range 3 { // calls of the API tell a node that is ahead
					v.KeySigned("blog", time.Now())
				}
				claims := Claims{SID: "s", Nonce: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Native: []string{}, FreshUntil: time.Now().Add(time.Hour).Unix(), RegisteredClaims: jwt.RegisteredClaims{Subject: "7"}}
				raw, err := Sign("blog", fuzzSecret, claims, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				_, verified, err := v.Verify(raw)
				if (err != nil) != c.refused {
					t.Fatalf("a new ticket: %v", err)
				}
				if c.refused {
					return
				}
				native := func() bool {
					beat := hook.Call{Post: wordpress.ParseForm([]byte("action=heartbeat&_nonce=test")), Data: wordpress.NewArray()}
					return verified.WhyPHP(&beat, new(hook.Hooks), true, v.Now("blog")) == ""
				}
				began := time.Now()
				at := func(age time.Duration) { time.Sleep(time.Until(began.Add(age))) }
				if at(nativeAge - time.Second); !native() {
					t.Error("not native before twelve minutes")
				}
				if at(nativeAge + time.Second); native() {
					t.Error("native after twelve minutes")
				}
				for time.Since(began) < Life-5*time.Second { // other pages get tickets, and WordPress calls
					v.KeySigned("blog", time.Now())
					time.Sleep(4 * time.Second)
				}
				if _, _, err := v.Verify(raw); err != nil {
					t.Errorf("before its expiry: %v", err)
				}
				at(Life + time.Second)
				if _, _, err := v.Verify(raw); err == nil {
					t.Error("accepted after its expiry")
				}
			})
		})
	}
}
