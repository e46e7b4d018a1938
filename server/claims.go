package server

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// identityClaims are those without which a ticket is not good for anything. One
// of another type is an error; sub, iat and exp are read by the JWT library.
var identityClaims = []string{"sid", "nonce"}

// UnmarshalJSON reads claims as WordPress writes them. In PHP the name of a post
// type or a room can turn into a number: '2024' does as an array's key. Where a
// string is expected, alone or in a list, a number is read as its decimal string,
// and a value of any other type is left out. An optional claim of another type
// counts as absent.
func (c *Claims) UnmarshalJSON(b []byte) error {
	type plain Claims
	if json.Unmarshal(b, (*plain)(c)) == nil && !bytes.Contains(b, []byte("null")) {
		return nil // nearly all are as they should be, and this is five times as fast
	}
	*c = Claims{}
	if err := json.Unmarshal(b, &c.RegisteredClaims); err != nil {
		return err
	}
	return readMembers(b, c, identityClaims)
}

// UnmarshalJSON reads a post likewise: without an id or a type there is none.
func (p *Post) UnmarshalJSON(b []byte) error {
	if err := readMembers(b, p, nil); err != nil {
		return err
	}
	if p.ID <= 0 || p.Type == "" {
		return &json.UnmarshalTypeError{Value: "object without an id or a type", Type: reflect.TypeFor[Post]()}
	}
	return nil
}

// readMembers reads a JSON object into the fields of a struct that have names in
// JSON. A field whose member is of another type is left empty, or is an error if
// it is one of strict.
func readMembers(b []byte, into any, strict []string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil {
		return err
	}
	v := reflect.ValueOf(into).Elem()
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		raw, found := members[name]
		if name == "" || !found {
			continue
		}
		field := v.Field(i)
		if slices.Contains(strict, name) {
			if err := json.Unmarshal(raw, field.Addr().Interface()); err != nil {
				return err
			}
			continue
		}
		switch to := field.Addr().Interface().(type) {
		case *string:
			*to, _ = readText(raw)
		case *[]string:
			*to = readTexts(raw)
		default:
			if json.Unmarshal(raw, to) != nil {
				field.SetZero()
			}
		}
	}
	return nil
}

// readText reads a string, or a number as its decimal string.
func readText(raw json.RawMessage) (text string, ok bool) {
	if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
		return string(raw), true
	}
	ok = raw[0] == '"' && json.Unmarshal(raw, &text) == nil
	return text, ok
}

// readTexts reads a list of strings. It returns nil for anything but a list. PHP writes a list
// with gaps in its keys as an object.
func readTexts(raw json.RawMessage) []string {
	if raw[0] != '[' && raw[0] != '{' {
		return nil
	}
	list := []string{}
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the bracket; raw was decoded before and is good JSON
	for d.More() {
		if raw[0] == '{' {
			_, _ = d.Token() // a key
		}
		var member json.RawMessage
		if d.Decode(&member) != nil {
			return nil
		}
		if text, ok := readText(member); ok {
			list = append(list, text)
		}
	}
	return list
}
