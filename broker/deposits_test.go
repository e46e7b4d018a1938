package broker

import (
	"slices"
	"testing"
)

// TestReplace checks that a topic keeps the last message of each key, also for nodes that
// subscribe later.
func TestReplace(t *testing.T) {
	b := open(t, Config{})
	var early, late topicRecorder
	b.Subscribe(Deposits, nil, early.add)
	for _, m := range []struct{ site, key, data string }{{"a.b", "k", "1"}, {"a.b", "k", "2"}, {"a.b", "l", "3"}, {"c", "k", "4"}} {
		if err := b.Replace(t.Context(), Deposits, m.site, m.key, []byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"a.b 2", "a.b 3", "c 4"} // the first message may be replaced before it is received
	eventually(t, "all messages", func() bool {
		got := early.data()
		return len(got) >= len(want) && slices.Equal(got[len(got)-len(want):], want)
	})
	b.Subscribe(Deposits, nil, late.add)
	eventually(t, "the last message of each key", func() bool { return slices.Equal(late.data(), want) })
}

// TestRestore checks that Restore writes a message only if its key has none.
func TestRestore(t *testing.T) {
	b := open(t, Config{})
	var received topicRecorder
	b.Subscribe(Deposits, nil, received.add)
	for _, data := range []string{"old", "older"} {
		if err := b.Restore(t.Context(), Deposits, "s", "k", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first message", func() bool { return len(received.data()) == 1 })
	if err := b.Replace(t.Context(), Deposits, "s", "k", []byte("new")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first and the new message", func() bool { return slices.Equal(received.data(), []string{"s old", "s new"}) })
}
