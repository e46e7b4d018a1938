package wordpress

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

// FuzzParseForm checks that a form is the same after it was encoded and parsed again, and
// that a body within the limits is parsed like a query.
func FuzzParseForm(f *testing.F) {
	r := source(1)
	for range 200 {
		f.Add(generateBody(r))
	}
	for _, body := range realBodies {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		form := ParseForm(body)
		prune(form)
		want := serialize(form)
		again := ParseForm(appendForm(nil, "", form))
		if got := serialize(again); !bytes.Equal(got, want) {
			t.Fatalf("%q\nonce  %q\ntwice %q", body, want, got)
		}
		if bytes.IndexByte(body, 0) >= 0 || bytes.Count(body, []byte{'&'}) >= maxInputVars {
			return
		}
		query := ParseQuery(string(body))
		prune(query)
		if got := serialize(query); !bytes.Equal(got, want) {
			t.Fatalf("%q\nas body  %q\nas query %q", body, want, got)
		}
	})
}

// prune removes empty arrays, which a form cannot contain. A name that PHP drops may leave
// one.
func prune(a *Array) {
	for _, key := range keys(a) {
		if child := a.Array(key); child != nil {
			prune(child)
			if child.Len() == 0 {
				a.Delete(key)
			}
		}
	}
}

// appendForm writes a as jQuery would, under a prefix.
func appendForm(dst []byte, prefix string, a *Array) []byte {
	for key, value := range a.All() {
		name := encodeURL(key)
		if prefix != "" {
			name = prefix + "%5B" + name + "%5D"
		}
		if child, ok := value.(*Array); ok {
			dst = appendForm(dst, name, child)
			continue
		}
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = append(append(append(dst, name...), '='), encodeURL(value.(string))...)
	}
	return dst
}

// FuzzAppendJSON checks that AppendJSON writes valid ASCII, and that its output stays
// unchanged when it is written again, except a minus before a zero, which PHP loses the
// second time.
func FuzzAppendJSON(f *testing.F) {
	r := source(1)
	for range 200 {
		f.Add(generateJSON(r), generateString(r))
	}
	f.Fuzz(func(t *testing.T, text []byte, s string) {
		value := NewArray()
		value.Set(s, s)
		value.Set("/"+s, json.RawMessage(text))
		once, err := AppendJSON(nil, value)
		if err != nil {
			return
		}
		if !json.Valid(once) || bytes.ContainsFunc(once, func(r rune) bool { return r > 0x7f }) {
			t.Fatalf("not JSON in ASCII: %q", once)
		}
		twice, err := AppendJSON(nil, json.RawMessage(once))
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		thrice, err := AppendJSON(nil, json.RawMessage(twice))
		if err != nil || !bytes.Equal(twice, thrice) {
			t.Fatalf("%s\n%s, %v", twice, thrice, err)
		}
	})
}

// FuzzParseCookie checks that a cookie which is parsed is the same when it is written and
// parsed again, and that nobody has signed it.
func FuzzParseCookie(f *testing.F) {
	keys := Keys{LoggedIn: "a key"}
	f.Add(keys.SignCookie("admin", "$P$B0123456789", 1_790_000_000, "a token"))
	for _, value := range []string{"admin%7C1%7Ctoken%7Cmac", "a|01|b|c", "a|9223372036854775808|b|c", "a|1|b|c|d", "%7C1%7C%7C", "|1||", "%", "%zz|1|a|b", "+|1|%2B|\x00"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ParseCookie(value)
		if err != nil {
			return
		}
		if back, err := ParseCookie(encodeURL(c.signed() + "|" + c.HMAC)); err != nil || back != c {
			t.Errorf("%q is parsed as %+v, and again as %+v, %v", value, c, back, err)
		}
		if keys := (Keys{LoggedIn: "another key"}); keys.VerifyCookie(c, "a hash", time.Unix(0, 0)) == nil {
			t.Errorf("%q is signed", value)
		}
	})
}

// FuzzParsePostRoom checks that the room of a post has one name only, apart from zeros
// before its number.
func FuzzParsePostRoom(f *testing.F) {
	for _, room := range []string{"postType/post:42", "postType/post:007", "postType/:1", "postType/a:b:1", "postType/post:-1", "postType/post:9223372036854775808", "admin/online", "postType/é/x:1"} {
		f.Add(room)
	}
	f.Fuzz(func(t *testing.T, room string) {
		p, ok := ParsePostRoom(room)
		if !ok {
			return
		}
		if back, ok := ParsePostRoom(p.Room()); !ok || back != p {
			t.Errorf("%q is parsed as %+v, and again as %+v", room, p, back)
		}
		if p.Type == "" || p.ID < 0 {
			t.Errorf("%q is parsed as %+v", room, p)
		}
	})
}
