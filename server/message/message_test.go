package message

import (
	"fmt"
	"strings"
	"testing"
)

// TestTargetCheck checks which targets are valid.
func TestTargetCheck(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string // part of the error; empty: valid
	}{
		{Target{All: true}, ""},
		{Target{User: 7}, ""},
		{Target{Can: "edit_posts"}, ""},
		{Target{Room: "postType/post:42"}, ""},
		{Target{Room: "shop/orders"}, ""},
		{Target{}, "exactly one"},
		{Target{All: true, User: 7}, "exactly one"},
		{Target{User: -7}, "above 0"},
		{Target{Can: strings.Repeat("x", MaxName+1)}, "at most 191 bytes"},
		{Target{Room: "everyone"}, `must contain a "/"`},
		{Target{Room: "postType/post42"}, "postType/TYPE:ID"},
	} {
		t.Run(fmt.Sprintf("%+v", c.target), func(t *testing.T) {
			err := c.target.Check()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestDecode reads messages and deposits as anybody may write them to NATS.
func TestDecode(t *testing.T) {
	long := `"` + strings.Repeat("x", MaxData) + `"`
	deep := strings.Repeat("[", 17) + strings.Repeat("]", 17)
	many := "[" + strings.Repeat("0,", MaxValues) + "0]"
	for data, want := range map[string]string{
		`{"kind":"push","to":{"all":true},"data":1}`:                "",
		`{"kind":"nudge","to":{"user":7},"spread_ms":60000}`:        "",
		`{"kind":"cron","at":1}`:                                    "",
		`{"kind":"of a newer node"}`:                                "",
		`{"kind":"push","to":{"all":true}}`:                         "data of a push",
		`{"kind":"push","to":{"all":true},"data":` + long + `}`:     "data of a push",
		`{"kind":"push","to":{"all":true},"data":` + deep + `}`:     "16 levels",
		`{"kind":"push","to":{"all":true},"data":` + many + `}`:     "10000 values",
		`{"kind":"push","to":{"all":true},"data":"\ud800"}`:         "surrogate",
		`{"kind":"push","to":{},"data":1}`:                          "exactly one",
		`{"kind":"nudge","to":{"all":true},"spread_ms":-1}`:         "spread_ms",
		`{"kind":"nudge","to":{"all":true},"spread_ms":9999999999}`: "spread_ms",
		`{"kind":"push","to":{"all":true},"data":}`:                 "invalid character",

		`{"kind":"rooms","rooms":[{"room":"a/b"}]}`:              "",
		`{"kind":"rooms","rooms":[{"room":""}]}`:                 "a room has",
		`{"kind":"rooms","rooms":[{"room":"a/b","expires":-1}]}`: "expires",

		`{"kind":"rooms","rooms":[{"room":"a/b","title":"T","removed":["c"]}]}`:                "",
		`{"kind":"rooms","rooms":[{"room":"a/b","title":"` + strings.Repeat("x", 192) + `"}]}`: "title has",

		`{"kind":"rooms","rooms":[` + strings.Repeat("{},", 50) + `{}]}`: "at most 50 rooms",
		`{"kind":"renewed","lives_ms":150000}`:                           "",
		`{"kind":"renewed","lives_ms":3600001}`:                          "lives_ms",
		`{"kind":"renewed","lives_ms":-1}`:                               "lives_ms",
		`{"kind":"php_beats","beats":{"a":1}}`:                           "",
		`{"kind":"php_beats","native":1}`:                                "",
		`{"kind":"php_beats","native":-1}`:                               "native",
		`{"kind":"php_beats","native":2400000}`:                          "",
		`{"kind":"php_beats","native":1000000001}`:                       "native",
		`{"kind":"php_beats","beats":{"a":-1}}`:                          "beats",
		`{"kind":"php_beats","beats":{"a":1000001}}`:                     "beats",
	} {
		if _, err := Decode([]byte(data)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", data, err, want)
		}
	}
	for data, want := range map[string]string{
		`{"to":{"all":true},"handle":"a","value":1}`:            "",
		`{"to":{"all":true},"handle":"a","value":null}`:         "",
		`{"to":{"all":true},"handle":"a"}`:                      "a value has",
		`{"to":{"all":true},"handle":"server_time","value":1}`:  "belongs to WordPress",
		`{"to":{},"handle":"a","value":1}`:                      "exactly one",
		`{"to":{"all":true},"handle":"a","value":` + long + `}`: "a value has",
		`{"to":{"all":true},"handle":"a","value":` + deep + `}`: "16 levels",
		`{"to":{"all":true},"handle":"a","value":1e999}`:        "too large",
	} {
		if _, err := DecodeDeposit([]byte(data)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", data, err, want)
		}
	}
}
