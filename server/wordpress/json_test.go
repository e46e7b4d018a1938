package wordpress

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestAppendJSON(t *testing.T) {
	keyed := NewArray()
	keyed.Set("1", "a")
	keyed.Set("0", "b")
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, `null`},
		{true, `true`},
		{"a/b\"\\\n\x01\x7f<é😀", `"a\/b\"\\\n\u0001` + "\x7f" + `<\u00e9\ud83d\ude00"`},
		{"bad \xff\xe2\x8c.", `"bad ??."`},
		{7, `7`},
		{int64(math.MinInt64), `-9223372036854775808`},
		{uint64(math.MaxInt64), `9223372036854775807`},
		{uint64(math.MaxUint64), `1.8446744073709552e+19`},
		{1.0, `1`},
		{math.Copysign(0, -1), `-0`},
		{1e-5, `1.0e-5`},
		{-1.5e300, `-1.5e+300`},
		{[]string{}, `[]`},
		{[]string{"a", "\xff"}, `["a","?"]`},
		{NewArray(), `[]`},
		{list(1, list(), nil), `[1,[],null]`},
		{keyed, `{"1":"a","0":"b"}`},
		{json.RawMessage(` {"b": {}, "a": [1.0, 1e2, "/"], "b": 1} `), `{"b":1,"a":[1,100,"\/"]}`},
		{list(json.RawMessage(`{"0":1,"1":2}`)), `[[1,2]]`},
	} {
		got, err := AppendJSON([]byte("x"), c.v)
		if err != nil || string(got) != "x"+c.want {
			t.Errorf("%#v\n got %s, %v\nwant x%s", c.v, got, err, c.want)
		}
	}
}

func TestAppendJSONFails(t *testing.T) {
	cycle := NewArray()
	cycle.Append("\xff")
	cycle.Append(cycle)
	cycle.Append(cycle)
	for _, v := range []any{
		math.NaN(), math.Inf(1), list("\xff", math.Inf(-1)),
		nest(NewArray(), maxJSONDepth), cycle,
		int32(1), struct{}{}, map[string]any{},
		json.RawMessage(``), json.RawMessage(`{`), json.RawMessage(`[1] 2`), json.RawMessage("\"\xff\""),
		json.RawMessage(`"\ud800"`), json.RawMessage(`"\ude00\ud83d"`), json.RawMessage(`1e999`),
		json.RawMessage(strings.Repeat("[", 512) + strings.Repeat("]", 512)),
		json.RawMessage(strings.Repeat("[", 1<<20)),
	} {
		if got, err := AppendJSON([]byte("as it was"), v); err == nil || string(got) != "as it was" {
			t.Errorf("%T: %.100s, %v", v, got, err)
		}
	}
}

func TestEmptyOfOtherTypes(t *testing.T) {
	if Empty(json.RawMessage(`""`)) {
		t.Error("Empty of raw JSON is true")
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	tick := NewArray()
	online := NewArray()
	for range 200 {
		entry := NewArray()
		entry.Set("user_id", 7)
		entry.Set("display_name", "José Ñandú")
		entry.Set("avatar_url", "https://example.org/avatar/0123456789abcdef?s=64&d=mm")
		entry.Set("screen", "dashboard")
		entry.Set("date_gmt", "2026-11-23 05:20:00")
		online.Append(entry)
	}
	tick.Set("presence-online", online)
	tick.Set("wp-auth-check", true)
	tick.Set("server_time", int64(1795411200))
	raw, err := AppendJSON(nil, tick)
	if err != nil {
		b.Fatal(err)
	}
	for name, v := range map[string]any{"tick": tick, "raw": json.RawMessage(raw)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			var out []byte
			for b.Loop() {
				out, _ = AppendJSON(out[:0], v)
			}
		})
	}
}
