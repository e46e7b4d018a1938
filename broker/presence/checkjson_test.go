package presence

import (
	"encoding/json"
	"strings"
	"testing"
)

// nested returns an object with lists in it, nested so deep.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

// TestCheckJSON checks which JSON may reach pages and PHP.
func TestCheckJSON(t *testing.T) {
	const surrogate, number, name = "surrogate", "number that is too large", "NUL"
	for data, want := range map[string]string{
		`{}`:                       "",
		nested(MaxDepth):           "",
		nested(MaxDepth + 1):       "16 levels",
		nested(510):                "16 levels",
		`{"a":"[[[[[[[[[[[[[[[["}`: "",
		`{"a":[` + strings.Repeat("0,", MaxDataValues-3) + `0]}`: "",
		`{"a":[` + strings.Repeat("0,", MaxDataValues) + `0]}`:   "500 values",
		`{"a":"` + strings.Repeat(",", 2*MaxDataValues) + `"}`:   "",

		`{"a":"\ud83d\ude00 \\ud83d \"\ud83d\ude00"}`: "",
		`{"a":"\ud83d"}`:        surrogate,
		`{"a":"\ud83d\ud83d"}`:  surrogate,
		`{"a":"\ud83dx\ude00"}`: surrogate,
		`{"a":"\uDE00"}`:        surrogate,
		`{"\ud83d":1}`:          surrogate,
		"{\"a\":\"\xff\"}":      "UTF-8",

		`{"a":-1.5e+300,"b":1e-400,"c":12345678901234567890}`: "",
		`{"a":1e999}`:                            number,
		`{"a":[-1E400]}`:                         number,
		`{"a":` + strings.Repeat("9", 400) + `}`: number,

		`{"a":"\u0000x"}`:               "",
		`{"a\\u0000":[{"b":"\u0000"}]}`: "",
		`{"\u0000x" : 1}`:               name,
		`{"a":[{"b":{"x\u0000":{}}}]}`:  name,
	} {
		if want != "UTF-8" && !json.Valid([]byte(data)) {
			t.Fatalf("%.60s is no JSON", data)
		}
		if err := CheckJSON([]byte(data), MaxDataValues); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", data, err, want)
		}
	}
}

// TestHostileValues checks that a value on NATS which PHP or a page could not read is ignored.
func TestHostileValues(t *testing.T) {
	k := Key{"s", "admin/online", "user-1", "c"}
	value := func(data string) []byte {
		return []byte(`{"room":"admin/online","client_id":"user-1","user_id":1,"display_name":"Ada","avatar_url":"","data":` + data + `,"date_gmt":"2026-01-01 00:00:00"}`)
	}
	good := value(nested(MaxDepth))
	if _, _, err := ParseStored(k.String(), good); err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"depth":     value(nested(510)),
		"values":    value(`{"a":[` + strings.Repeat("{},", 1000) + `{}]}`),
		"size":      value(`{"a":"` + strings.Repeat("x", MaxData) + `"}`),
		"space":     value(`{}` + strings.Repeat(" ", MaxValue)),
		"surrogate": value(`{"a":"\ud800"}`),
		"UTF-8":     value("{\"a\":\"\xff\"}"),
		"number":    value(`{"a":1e999}`),
	} {
		if _, _, err := ParseStored(k.String(), bad); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	for _, bad := range []string{nested(17), `{"a":1e999}`, `{"a":"` + strings.Repeat("x", MaxData) + `"}`} {
		s := Stored{Entry: Entry{Room: k.Room, ClientID: k.ClientID, UserID: 1, Data: json.RawMessage(bad)}}
		if _, err := Normalize(k, s, "n", nil); err == nil {
			t.Errorf("%.40s: no error", bad)
		}
	}
}
