package message

import (
	"strings"
	"testing"
)

// TestCheckHandle refuses handles to which WordPress or heartbeatd gives a meaning, and
// names that PHP or a form would change.
func TestCheckHandle(t *testing.T) {
	for _, good := range []string{"stock", "my-plugin/stock", "_x", "shop.orders:7", "A" + strings.Repeat("x", 99)} {
		if err := CheckHandle(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "7", "a b", "a[b]", "é", "A" + strings.Repeat("x", 100), "wp_autosave", "server_time", "wp-auth-check", "presence-ping", "presence-x", "stock\n"} {
		if CheckHandle(bad) == nil {
			t.Errorf("%q is allowed", bad)
		}
	}
}

// TestDepositKey gives each target and handle a key of its own.
func TestDepositKey(t *testing.T) {
	seen := make(map[string]Deposit)
	for _, to := range []Target{{Room: "a/b"}, {Room: "a/c"}, {User: 1}, {User: 2}, {Can: "a/b"}, {All: true}} {
		for _, handle := range []string{"x", "y"} {
			d := Deposit{To: to, Handle: handle}
			if other, found := seen[d.Key()]; found {
				t.Errorf("%v and %v have one key", d, other)
			}
			seen[d.Key()] = d
		}
	}
}

// TestDepositEncode keeps the bytes of the value.
func TestDepositEncode(t *testing.T) {
	const value = `{"a":"<b>&\/\u00e9","n":1.0}`
	b, err := Deposit{To: Target{All: true}, Handle: "x", Value: []byte(value), UntilMS: 1}.Encode()
	if want := `{"to":{"all":true},"handle":"x","value":` + value + `,"until_ms":1}` + "\n"; err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}
