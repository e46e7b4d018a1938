package broker

import (
	"os"
	"slices"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// TestLostTail restarts NATS with a store that lacks the last messages, as after a loss of power. Others get their numbers. The stream
// has another epoch then, so that nobody takes the new messages for the lost ones: the node hears all of them, also those that another
// node has published before it was connected again.
func TestLostTail(t *testing.T) {
	for name, byOther := range map[string]bool{"the node is connected first": false, "another node has published meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startNATS(t)
			p := startProxy(t, s)
			b := open(t, Config{URL: p.url()})
			var heard topicRecorder
			defer func() {
				if t.Failed() {
					t.Log("heard:", heard.data())
				}
			}()
			b.Subscribe(topic.Revocations, nil, heard.add)
			revoke(t, b, "stored")
			p.cut()
			s.stop()
			saved := t.TempDir()
			if err := os.CopyFS(saved, os.DirFS(s.opts.StoreDir)); err != nil {
				t.Fatal(err)
			}
			s.start()
			p.restore()
			waitReady(t, b, true)
			revokes := func(b *Broker, data string) (at topic.Cursor) {
				eventually(t, "the publication of "+data, func() (done bool) {
					var err error
					at, err = b.Publish(t.Context(), topic.Revocations, "s", []byte(data))
					return err == nil
				})
				return at
			}
			revokes(b, "lost 1")
			lost := revokes(b, "lost 2")
			eventually(t, "what is lost then", func() bool { return slices.Contains(heard.data(), "s lost 2") })
			p.cut()
			s.stop()
			s.opts.StoreDir = saved
			s.start()
			by := b
			if byOther {
				by = open(t, Config{URL: s.url()})
			} else {
				p.restore()
				waitReady(t, b, true)
			}
			for _, data := range []string{"new 1", "new 2", "new 3"} {
				revokes(by, data)
			}
			if byOther {
				p.restore()
			}
			eventually(t, "all new messages", func() bool {
				got := heard.data()
				return len(got) > 3 && slices.Equal(got[len(got)-4:], []string{"s stored", "s new 1", "s new 2", "s new 3"})
			})
			after := heard.last()
			if after.Epoch == lost.Epoch {
				t.Errorf("the cursor is %v, and was %v", after, lost)
			}
			if got := hears(t, open(t, Config{URL: s.url()}), "s stored", "s new 1", "s new 2", "s new 3"); got.Epoch != after.Epoch {
				t.Errorf("another node has the cursor %v, this one %v", got, after)
			}
		})
	}
}
