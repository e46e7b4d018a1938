package problem

import "testing"

// TestAddress checks that addresses have no part of a user name, a password or a token.
func TestAddress(t *testing.T) {
	for url, want := range map[string]string{
		"nats://a.test:4222":                        "a.test:4222",
		"nats://user:pass@a.test:4222":              "a.test:4222",
		"nats://user:p@ss@a.test:4222":              "a.test:4222",
		"tls://token@a.test, nats://u:x@y@b.test:1": "a.test, b.test:1",
		"user:p@ss@a.test:4222":                     "a.test:4222",
		"nats://user:pa/ss@a.test:4222":             "a.test:4222",
		"a.test":                                    "a.test",
	} {
		if got := Address(url); got != want {
			t.Errorf("%q: %q, want %q", url, got, want)
		}
	}
}
