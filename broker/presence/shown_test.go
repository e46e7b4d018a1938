package presence

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestShownData checks that what pages show of hostile data is a short text or a number.
func TestShownData(t *testing.T) {
	long := strings.Repeat("é", 500)
	cut := strings.Repeat("é", MaxName)
	for data, want := range map[string]string{
		`{}`: `{}`,
		`{"screen":"post","title":"x","n":[{"screen":1}]}`:  `{"screen":"post","title":"x","n":[{"screen":1}]}`,
		`{"screen_label":{"toString":"a"},"screen":"post"}`: `{"screen":"post"}`,
		`{"screen":["a"],"title":null,"screen_label":true}`: `{}`,
		`{"scre\u0065n":{"a":1},"x":"\""}`:                  `{"x":"\""}`,
		`{"screen":"a","screen":{"a":1}}`:                   `{"screen":"a"}`,
		`{"screen":7,"title":-1.5}`:                         `{"screen":7,"title":-1.5}`,
		`{"title":"` + long + `","x":"` + long + `"}`:       `{"title":"` + cut + `","x":"` + long + `"}`,
		`{"__proto__":{"screen":{}},"title":"<b>"}`:         `{"__proto__":{"screen":{}},"title":"<b>"}`,
	} {
		if got := ShownData(json.RawMessage(data)); string(got) != want {
			t.Errorf("%s: %s, want %s", data, got, want)
		}
		if isPlain([]byte(data)) && string(writeShown([]byte(data), false, MaxName)) != data {
			t.Errorf("%s is not plain", data)
		}
	}
	data := `{"x":{"y":[1]},"screen":"post","title":"` + long + `","screen_label":"Posts"}`
	if got, want := string(ShortData(json.RawMessage(data), 3)), `{"screen":"pos","title":"ééé","screen_label":"Pos"}`; got != want {
		t.Errorf("short: %s, want %s", got, want)
	}
}
