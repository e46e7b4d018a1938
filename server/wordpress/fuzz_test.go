package wordpress

import (
	"bytes"
	"encoding/json"
	"testing"
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
