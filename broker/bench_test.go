package broker

import "testing"

func benchStored() (Key, Stored) {
	k := Key{Site: "bench", Room: "postType/post:42", ClientID: "editor-7", Conn: "page-00000001"}
	return k, Stored{Entry: Entry{
		Room: k.Room, ClientID: k.ClientID, UserID: 7, DisplayName: "Editor 7",
		AvatarURL: "https://secure.gravatar.com/avatar/0123456789abcdef0123456789abcdef?s=64&d=mm&r=g",
		Data:      []byte(`{"action":"editing","screen":"post"}`), DateGMT: "2026-11-23 05:20:00",
	}}
}

// BenchmarkSeal makes the value that is written for an entry.
func BenchmarkSeal(b *testing.B) {
	k, s := benchStored()
	b.ReportAllocs()
	for b.Loop() {
		sealed, err := seal(k, s, "node", nil)
		if err != nil {
			b.Fatal(err)
		}
		_ = sealed.appendJSON(make([]byte, 0, sealed.size(1)))
	}
}

// BenchmarkUnseal reads one that NATS brought.
func BenchmarkUnseal(b *testing.B) {
	k, s := benchStored()
	sealed, err := seal(k, s, "node", nil)
	if err != nil {
		b.Fatal(err)
	}
	value := sealed.appendJSON(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := unseal(k.String(), value); err != nil {
			b.Fatal(err)
		}
	}
}
