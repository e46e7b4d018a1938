package broker

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// schema is the part of JSON Schema that docs/presence.schema.json uses.
type schema struct {
	Type       string
	Properties map[string]schema
	Required   []string
	MinLength  int
	Minimum    *float64
	Pattern    string
	Closed     *bool `json:"additionalProperties"`
}

// check returns how a value violates the schema.
func (s schema) check(path string, v any) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, path+fmt.Sprintf(format, args...)) }
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			if _, found := v[name]; !found {
				fault(" has no %s", name)
			}
		}
		for name, value := range v {
			property, known := s.Properties[name]
			if known {
				faults = append(faults, property.check(path+"."+name, value)...)
			} else if s.Closed != nil && !*s.Closed {
				fault(" has the unknown property %s", name)
			}
		}
		if s.Type != "object" {
			fault(" is an object")
		}
	case string:
		if s.Type != "string" || len(v) < s.MinLength || !regexp.MustCompile(s.Pattern).MatchString(v) {
			fault(" is %q", v)
		}
	case float64:
		if s.Type != "integer" || v != float64(int64(v)) || s.Minimum != nil && v < *s.Minimum {
			fault(" is %v", v)
		}
	case bool:
		if s.Type != "boolean" {
			fault(" is %v", v)
		}
	default:
		fault(" is %v", v)
	}
	return faults
}

// TestPublishedValuesMatchSchema checks published values against docs/presence.schema.json.
func TestPublishedValuesMatchSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/presence.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	b := open(t, Config{Listen: "127.0.0.1:0"})
	published := recordMessages(t, "nats://"+b.ListenAddr())
	full := at(1, "x")
	full.UserID, full.AvatarURL, full.FocusedAt, full.Idle = 7, "https://example.org/a.png", 1795411200000, presence.Idle
	title := "A title"
	full.PostTitle = &title
	b.Hold(page("admin/online", "user-7", "a"), full)
	b.Hold(page(strings.Repeat("🦊", 300), "<&>", "a"), presence.Stored{Entry: presence.Entry{UserID: 1, DateGMT: "2026-11-23 05:20:00"}})
	eventually(t, "two values", func() bool { return len(published.all()) == 2 })
	for _, m := range published.all() {
		var value any
		if err := json.Unmarshal(m.Data, &value); err != nil {
			t.Fatal(err)
		}
		for _, fault := range s.check(m.Subject, value) {
			t.Error(fault)
		}
	}
	for _, bad := range []string{
		`{}`, `[]`, `"x"`, `{"room":""}`, strings.Replace(string(published.all()[0].Data), "{", `{"more":1,`, 1),
		strings.Replace(string(published.all()[0].Data), "2026-11-23 05", "yesterday", 1),
	} {
		var value any
		if err := json.Unmarshal([]byte(bad), &value); err != nil || len(s.check("", value)) == 0 {
			t.Errorf("%s matches the schema, %v", bad, err)
		}
	}
}
