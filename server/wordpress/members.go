package wordpress

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// UnmarshalMembers parses a JSON object that PHP wrote into the struct fields with JSON
// names. In PHP a string can turn into a number: '2024' does as the key of an array. For a
// field of the type string or []string, a number is read as its decimal string, and a value
// of another type is left out. Any other member whose type does not fit leaves its field
// empty, or is an error if strict has its name.
func UnmarshalMembers(b []byte, into any, strict ...string) error {
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
			*to, _ = unmarshalText(raw)
		case *[]string:
			*to = unmarshalTexts(raw)
		default:
			if json.Unmarshal(raw, to) != nil {
				field.SetZero()
			}
		}
	}
	return nil
}

// unmarshalText reads a string, or a number as its decimal string.
func unmarshalText(raw json.RawMessage) (text string, ok bool) {
	if raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' {
		return string(raw), true
	}
	ok = raw[0] == '"' && json.Unmarshal(raw, &text) == nil
	return text, ok
}

// unmarshalTexts reads a list of strings. It returns nil for anything but a list. PHP
// writes a list with gaps in its keys as an object.
func unmarshalTexts(raw json.RawMessage) []string {
	if raw[0] != '[' && raw[0] != '{' {
		return nil
	}
	list := []string{}
	d := json.NewDecoder(bytes.NewReader(raw))
	_, _ = d.Token() // the bracket: raw is valid JSON, as it was decoded before
	for d.More() {
		if raw[0] == '{' {
			_, _ = d.Token() // a key
		}
		var member json.RawMessage
		if d.Decode(&member) != nil {
			return nil
		}
		if text, ok := unmarshalText(member); ok {
			list = append(list, text)
		}
	}
	return list
}
