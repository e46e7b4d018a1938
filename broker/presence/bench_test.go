package presence

import "testing"

func benchStored() (Key, Stored) {
	k := Key{Site: "bench", Room: "postType/post:42", ClientID: "editor-7", Conn: "page-00000001"}
	return k, Stored{Entry: Entry{
		Room: k.Room, ClientID: k.ClientID, UserID: 7, DisplayName: "Editor 7",
		AvatarURL: "https://secure.gravatar.com/avatar/0123456789abcdef0123456789abcdef?s=64&d=mm&r=g",
		Data:      []byte(`{"action":"editing","screen":"post"}`), DateGMT: "2026-11-23 05:20:00",
	}}
}

// BenchmarkNormalize normalizes an entry and encodes its value.
func BenchmarkNormalize(b *testing.B) {
	k, s := benchStored()
	b.ReportAllocs()
	for b.Loop() {
		normalized, err := Normalize(k, s, "node", nil)
		if err != nil {
			b.Fatal(err)
		}
		_ = normalized.JSON()
	}
}

// BenchmarkParseStored parses a value that NATS brought.
func BenchmarkParseStored(b *testing.B) {
	k, s := benchStored()
	normalized, err := Normalize(k, s, "node", nil)
	if err != nil {
		b.Fatal(err)
	}
	value := normalized.JSON()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseStored(k.String(), value); err != nil {
			b.Fatal(err)
		}
	}
}
