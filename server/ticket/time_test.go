package ticket

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestTime checks how times are read and written, and that invalid times are refused.
func TestTime(t *testing.T) {
	for _, c := range []struct {
		name, json string
		millis     int64
		err        string
	}{
		{"seconds", `1700000000`, 1700000000000, ""},
		{"milliseconds", `1700000000.123`, 1700000000123, ""},
		{"a millisecond that no float64 has", `1764000000.001`, 1764000000001, ""},
		{"an exponent", `1.7e9`, 1700000000000, ""},
		{"text", `"1700000000"`, 0, "string"},
		{"true", `true`, 0, "bool"},
		{"too large", `1e300`, 0, "out of range"},
		{"too small", `-1e300`, 0, "out of range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got Time
			err := json.Unmarshal([]byte(c.json), &got)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("read as %v, %v", got, err)
				}
				return
			}
			if err != nil || got.UnixMilli() != c.millis {
				t.Fatalf("read as %v, %v", got.UnixMilli(), err)
			}
			b, err := json.Marshal(got)
			var again Time
			if err != nil || json.Unmarshal(b, &again) != nil || again.UnixMilli() != c.millis {
				t.Errorf("written as %s, %v", b, err)
			}
		})
	}
}

// TestSignKeepsMilliseconds signs a ticket whose time of issue has milliseconds, without
// changing a setting of the process.
func TestSignKeepsMilliseconds(t *testing.T) {
	if jwt.TimePrecision != time.Second {
		t.Errorf("jwt.TimePrecision is %v", jwt.TimePrecision)
	}
	now := time.Now().Truncate(time.Second).Add(-123 * time.Millisecond)
	raw, err := Sign("a", "secret", Claims{SID: "s", Nonce: "n", RegisteredClaims: jwt.RegisteredClaims{Subject: "1"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	c := new(Claims)
	if _, _, err := jwt.NewParser().ParseUnverified(raw, c); err != nil || !c.IssuedAt.Equal(now) {
		t.Errorf("issued at %v, want %v; %v", c.IssuedAt, now, err)
	}
}
