package broker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/apidoc"
)

// messageName returns the name that docs/asyncapi.yaml gives a message on NATS.
func messageName(m *nats.Msg) string {
	if m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "" {
		return "removed"
	}
	return "written"
}

// faultOf returns why docs/asyncapi.yaml does not allow a message with these headers and this value.
func faultOf(t *testing.T, name string, header map[string]string, value []byte) error {
	t.Helper()
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	if err := apidoc.Message(t, name, "headers", text); err != nil {
		return err
	}
	if len(value) == 0 {
		value = []byte(`""`)
	}
	return apidoc.Message(t, name, "payload", value)
}

// TestPublishedMessagesMatchSchema checks messages on NATS against docs/asyncapi.yaml, which uses
// docs/presence.schema.json: entries that are written, that leave, are removed, and expire.
func TestPublishedMessagesMatchSchema(t *testing.T) {
	t.Parallel()
	b := open(t, Config{Listen: "127.0.0.1:0", TTL: time.Second})
	published := recordMessages(t, "nats://"+b.ListenAddr())
	full := at(1, "x")
	full.UserID, full.AvatarURL, full.FocusedAt, full.Idle = 7, "https://example.org/a.png", 1795411200000, presence.Idle
	title := "A title"
	full.PostTitle = &title
	held, long := page("admin/online", "user-7", "a"), page(strings.Repeat("🦊", 300), "<&>", "a")
	for _, err := range []error{
		b.Hold(held, full),
		b.Hold(long, presence.Stored{Entry: presence.Entry{UserID: 1, DateGMT: "2026-11-23 05:20:00"}}),
		b.Put(page("admin/online", "user-8", "poll"), at(8, "x")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the values", func() bool { return len(published.all()) >= 3 })
	b.Leave(held)
	if err := b.Remove(long); err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"PURGE", "DEL", "MaxAge"} {
		eventually(t, how, func() bool { return published.count(how) > 0 })
	}
	if got := apidoc.Messages(t, "presence"); !slices.Equal(got, []string{"removed", "written"}) {
		t.Errorf("docs/asyncapi.yaml has the messages %q on NATS", got)
	}
	for _, m := range published.all() {
		header := map[string]string{}
		for name := range m.Header {
			header[name] = m.Header.Get(name)
		}
		if err := faultOf(t, messageName(m), header, m.Data); err != nil {
			t.Errorf("%s: %v", m.Subject, err)
		}
	}
	first := string(published.all()[0].Data)
	for _, bad := range []string{
		`{}`, `[]`, `"x"`, `{"room":""}`, strings.Replace(first, "{", `{"more":1,`, 1), strings.Replace(first, "2026-11-23 05", "yesterday", 1),
	} {
		if faultOf(t, "written", map[string]string{"Nats-Sequence": "1", "Nats-Last-Sequence": "0"}, []byte(bad)) == nil {
			t.Errorf("docs/asyncapi.yaml allows %s", bad)
		}
	}
	if faultOf(t, "written", map[string]string{"Nats-Sequence": "1", "Nats-Last-Sequence": "0", "KV-Operation": "DEL"}, []byte(first)) == nil {
		t.Error("docs/asyncapi.yaml allows a value that was removed")
	}
}
