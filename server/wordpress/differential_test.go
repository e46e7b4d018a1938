package wordpress

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// perSeed times the number of seeds is the number of inputs of a comparison.
const perSeed = 6000

// compare sends inputs to PHP and reports the first results that differ from ours.
func compare(t *testing.T, questions []question, ours func(i int) []byte) {
	t.Helper()
	reported := 0
	for i, php := range askPHP(t, questions) {
		if got := ours(i); !bytes.Equal(got, php) {
			t.Errorf("%c %q\n php %q\nours %q", questions[i].kind, clip(questions[i].input), clip(php), clip(got))
			if reported++; reported == 10 {
				t.Fatal("further differences are not reported")
			}
		}
	}
	t.Logf("%d compared", len(questions))
}

func clip(b []byte) []byte { return b[:min(len(b), 400)] }

func TestFormAsPHPReadsIt(t *testing.T) {
	var questions []question
	for _, seed := range seeds(t) {
		r := source(seed)
		for range perSeed {
			questions = append(questions, question{'q', generateBody(r)})
		}
	}
	compare(t, questions, func(i int) []byte {
		return serialize(ParseQuery(string(questions[i].input)))
	})
}

// TestPostAsPHPReadsIt sends requests, since PHP fills $_POST with other code than
// parse_str.
func TestPostAsPHPReadsIt(t *testing.T) {
	url := startWeb(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	bodies := [][]byte{
		nil,
		[]byte(strings.Repeat("&", 2000) + "lost=1"),
		[]byte(strings.Repeat("&", 1000) + "kept=1&lost=1"),
		[]byte(strings.Repeat("a=1&", 1000) + "kept=1&lost=1"),
		[]byte("a=" + strings.Repeat("x", 100_000) + "&b\x00c=\x00d&e=1"),
		bytes.Repeat([]byte("a[b][]=%41&c.d[=\xff&"), 400),
	}
	for _, seed := range seeds(t) {
		r := source(seed)
		for range 1000 {
			bodies = append(bodies, generateBody(r))
		}
	}
	for _, body := range bodies {
		got, _ := post(t, client, url, body, "")
		if want := string(serialize(list(ParseForm(body), NewArray(), nil))); got != want {
			t.Fatalf("%q\n php %q\nours %q", clip(body), got, want)
		}
	}
	t.Logf("%d compared", len(bodies))
}

// TestQueryAndCookieAsPHPReadsThem checks queries and cookies with requests, too.
func TestQueryAndCookieAsPHPReadsThem(t *testing.T) {
	url := startWeb(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct{ query, cookie string }{
		{"action=heartbeat&a[]=1&a[]=2", "a%7C1%7Cb%7Cc"},
		{"&&a=1&&b=2&", "a|1|b|c"},
		{"a%00b=c%00d", "a+b%20c%2Bd%"},
		{"a.b[c.d=1&+x=2", "%zz%4%41%C3%A9~-_."},
		{strings.Repeat("&", 2000) + strings.Repeat("a[]=1&", 1001), "100%2525%26amp%3B"},
	} {
		got, set := post(t, client, url+"?"+c.query, nil, c.cookie)
		value := decodeURL([]byte(c.cookie), false)
		if want := string(serialize(list(NewArray(), ParseQuery(c.query), value))); got != want {
			t.Errorf("%q %q\n php %q\nours %q", c.query, c.cookie, got, want)
		}
		if got, _, _ := strings.Cut(set, ";"); got != "c="+encodeURL(value) {
			t.Errorf("PHP sends the cookie %q as %q, we as %q", value, got, encodeURL(value))
		}
	}
}

func TestJSONAsPHPWritesIt(t *testing.T) {
	var questions []question
	var values []any
	add := func(v any) {
		values = append(values, v)
		questions = append(questions, question{'j', serialize(v)})
	}
	for _, seed := range seeds(t) {
		r := source(seed)
		for range perSeed {
			add(generateValue(r, 4))
		}
	}
	for depth := 510; depth < 515; depth++ {
		for _, innermost := range []any{1, "\xff", NewArray(), list(1), []string{}, []string{"a"}} {
			add(nest(innermost, depth))
		}
	}
	compare(t, questions, func(i int) []byte { return encoded(values[i]) })
}

// nest puts v in depth arrays.
func nest(v any, depth int) any {
	for range depth {
		v = list(v)
	}
	return v
}

// encoded returns the JSON of v, or nil if there is none, as PHP's answers do.
func encoded(v any) []byte {
	out, err := AppendJSON(nil, v)
	if err != nil {
		return nil
	}
	return out
}

func TestJSONAsPHPRewritesIt(t *testing.T) {
	var questions []question
	for _, seed := range seeds(t) {
		r := source(seed)
		for range perSeed {
			questions = append(questions, question{'r', generateJSON(r)})
		}
	}
	for depth := 510; depth < 515; depth++ {
		for _, innermost := range []string{"1", "", "{}"} {
			text := strings.Repeat(`{"a":[`, depth/2) + innermost + strings.Repeat("]}", depth/2)
			questions = append(questions, question{'r', []byte(text)}, question{'r', []byte("[" + text + "]")})
		}
	}
	// Only PHP accepts literals in capitals.
	questions = slices.DeleteFunc(questions, func(q question) bool {
		return !json.Valid(q.input) && json.Valid(bytes.ToLower(q.input))
	})
	rewritten := 0
	compare(t, questions, func(i int) []byte {
		out := encoded(json.RawMessage(questions[i].input))
		if len(out) > 0 {
			rewritten++
		}
		return out
	})
	if rewritten < len(questions)/2 {
		t.Errorf("only %d of %d inputs were JSON", rewritten, len(questions))
	}
}

func TestKeysAndEmptyAsPHPSeesThem(t *testing.T) {
	var questions []question
	var ours [][]byte
	for _, seed := range seeds(t) {
		r := source(seed)
		for range 500 {
			key, value := generateString(r)+"ABC-xyz_09 ÀÉ", generateValue(r, 1)
			if r.IntN(2) == 0 {
				value = pick(r, []any{"", "0", "00", "0.0", " ", nil, false, 0, int64(0), uint64(0), 0.0, NewArray(), list(0), []string{}})
			}
			questions = append(questions, question{'s', []byte(key)}, question{'e', serialize(value)})
			ours = append(ours, []byte(SanitizeKey(key)), []byte(strconv.Itoa(map[bool]int{true: 1}[Empty(value)])))
		}
	}
	compare(t, questions, func(i int) []byte { return ours[i] })
}
