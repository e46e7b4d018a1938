package broker

import (
	"slices"
	"testing"
)

// TestReplace keeps the last message of each key, for nodes that come later too.
func TestReplace(t *testing.T) {
	b := open(t, Config{})
	var early, late heard
	b.Subscribe(Deposits, nil, early.add)
	for _, m := range []struct{ site, key, data string }{{"a.b", "k", "1"}, {"a.b", "k", "2"}, {"a.b", "l", "3"}, {"c", "k", "4"}} {
		if err := b.Replace(t.Context(), Deposits, m.site, m.key, []byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"a.b 2", "a.b 3", "c 4"} // the first was perhaps replaced before it was heard
	eventually(t, "all are heard", func() bool {
		heard := early.data()
		return len(heard) >= len(want) && slices.Equal(heard[len(heard)-len(want):], want)
	})
	b.Subscribe(Deposits, nil, late.add)
	eventually(t, "the last of each key are heard later", func() bool { return slices.Equal(late.data(), want) })
}

// TestRestore writes a message again only if its key has none.
func TestRestore(t *testing.T) {
	b := open(t, Config{})
	var h heard
	b.Subscribe(Deposits, nil, h.add)
	for _, data := range []string{"old", "older"} {
		if err := b.Restore(t.Context(), Deposits, "s", "k", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the first is heard", func() bool { return len(h.data()) == 1 })
	if err := b.Replace(t.Context(), Deposits, "s", "k", []byte("new")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first and the new one are heard", func() bool { return slices.Equal(h.data(), []string{"s old", "s new"}) })
}
