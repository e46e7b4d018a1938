package wordpress

import (
	"bytes"
	"strings"
)

// PHP's defaults for the settings of the same names.
const (
	maxInputVars         = 1000
	maxInputNestingLevel = 64
)

// ParseForm reads a urlencoded body and returns what PHP would put in $_POST.
// Every value is a string or an *Array. WordPress adds slashes to $_POST and
// strips them again when it reads it, which leaves every string as it is here.
//
// It takes time linear in the size of the body, which the caller limits, and stops at the
// limits of PHP.
//
// The strings share one copy of the body: clone one that is kept for long.
func ParseForm(body []byte) *Array {
	beat := new(struct { // one allocation for the form of a usual beat
		form    Array
		entries [smallArray]entry
	})
	form := &beat.form
	form.entries = beat.entries[:0]
	var text decoder
	text.Grow(len(body)) // decoding makes no text longer
	// PHP counts after it has added, and counts empty pairs, so one more than
	// the limit survives.
	for n := 0; n <= maxInputVars && len(body) > 0; n++ {
		var pair []byte
		pair, body, _ = bytes.Cut(body, []byte{'&'})
		form.register(&text, pair)
	}
	return form
}

// ParseQuery reads a query string and returns what PHP would put in $_GET,
// which is also what its parse_str makes of a string.
func ParseQuery(query string) *Array {
	form := NewArray()
	// Unlike a body, PHP handles a query as a C string.
	rest, _, _ := strings.Cut(query, "\x00")
	var text decoder
	for n := 0; n < maxInputVars; n++ {
		rest = strings.TrimLeft(rest, "&")
		if rest == "" {
			break
		}
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		form.register(&text, []byte(pair))
	}
	return form
}

// register adds one name=value pair, both still encoded.
func (a *Array) register(text *decoder, pair []byte) {
	encodedName, encodedValue, _ := bytes.Cut(pair, []byte{'='})
	name, _, _ := strings.Cut(text.decode(encodedName, true), "\x00")
	a.assign(strings.TrimLeft(name, " "), text.decode(encodedValue, true))
}

// assign sets the element that name stands for, such as a[b][].
func (a *Array) assign(name, value string) {
	base, rest, nested := strings.Cut(name, "[")
	base = mangle(base)
	if base == "" || forges(base, name) {
		return
	}
	if !nested {
		a.Set(base, value)
		return
	}
	index, rest, ok := cutIndex(rest)
	if !ok {
		// An unclosed first bracket is a character of the name.
		if base += "_" + mangle(rest); !forges(base, name) {
			a.Set(base, value)
		}
		return
	}
	parent := a.child(key{name: base})
	// PHP looks for forged names in the brackets as well, but only after it has
	// made the arrays around them.
	for depth := 1; parent != nil && !forges(index.name, name); depth++ {
		var next key
		if !strings.HasPrefix(rest, "[") {
			parent.put(index, value)
			return
		}
		if depth == maxInputNestingLevel {
			a.Delete(base)
			return
		}
		next, rest, ok = cutIndex(rest[1:])
		if !ok {
			// An unclosed later bracket is ignored.
			parent.put(index, value)
			return
		}
		parent, index = parent.child(index), next
	}
}

// key is an index in brackets: a name, or none for "append".
type key struct {
	name   string
	append bool
}

// cutIndex splits what follows an opening bracket into the index and what
// follows the closing bracket. Without one it returns s and false.
func cutIndex(s string) (index key, rest string, closed bool) {
	if strings.HasPrefix(s, "]") {
		return key{append: true}, s[1:], true
	}
	if len(s) > 1 && s[1] == ']' && strings.IndexByte(" \t\n\v\f\r", s[0]) >= 0 {
		return key{append: true}, s[2:], true
	}
	name, rest, closed := strings.Cut(s, "]")
	if !closed {
		return key{}, s, false
	}
	return key{name: name}, rest, true
}

// put sets a value under k.
func (a *Array) put(k key, v any) bool {
	if k.append {
		return a.tryAppend(v)
	}
	a.Set(k.name, v)
	return true
}

// child returns the array under k. If there is none it makes one, which replaces a string,
// or returns nil if that is impossible.
func (a *Array) child(k key) *Array {
	if !k.append {
		if child := a.Array(k.name); child != nil {
			return child
		}
	}
	child := NewArray()
	if !a.put(k, child) {
		return nil
	}
	return child
}

var mangler = strings.NewReplacer(" ", "_", ".", "_", "[", "_")

// mangle replaces the characters that a PHP variable's name cannot have.
func mangle(name string) string { return mangler.Replace(name) }

// forges reports whether mangling gave a name a prefix that browsers protect in cookies. PHP
// drops such a variable from every source.
func forges(mangled, name string) bool {
	for _, prefix := range []string{"__Host-", "__Secure-"} {
		if strings.HasPrefix(mangled, prefix) && !strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// decodeURL decodes %XX, and "+" as a space if plus is set. Invalid escapes stay unchanged.
func decodeURL(s []byte, plus bool) string {
	var text decoder
	text.Grow(len(s))
	return text.decode(s, plus)
}

// decoder has the decoded strings, one after another.
type decoder struct{ strings.Builder }

// decode is decodeURL.
func (text *decoder) decode(s []byte, plus bool) string {
	start := text.Len()
	plain := 0 // the first byte that is not yet written
	for i := 0; i < len(s); i++ {
		c, size := s[i], 1
		switch {
		case c == '+' && plus:
			c = ' '
		case c == '%' && i+2 < len(s):
			high, ok1 := unhex(s[i+1])
			low, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				continue
			}
			c, size = high<<4|low, 3
		default:
			continue
		}
		if plain < i {
			text.Write(s[plain:i])
		}
		text.WriteByte(c)
		plain = i + size
		i = plain - 1
	}
	text.Write(s[plain:])
	return text.String()[start:]
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}
