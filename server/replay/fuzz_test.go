package replay

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
)

// FuzzPushFrame makes the frame of any push that is read from NATS. It is JSON with the same
// data.
func FuzzPushFrame(f *testing.F) {
	for _, data := range []string{
		`{"kind":"push","to":{"room":"postType/post:42"},"data":{"a":"\u2028<"}}`, `{"kind":"push","to":{"all":true},"data":null}`, `{"kind":"push","to":{"user":7},"data": [ 1 ] }`,
		`{"kind":"push","to":{"room":"a/\u0000\"b"},"data":"x"}`, `{"kind":"push","to":{"room":"a/\ud800"},"data":1}`,
	} {
		f.Add("k3j2", uint64(7), []byte(data))
	}
	f.Fuzz(func(t *testing.T, epoch string, seq uint64, data []byte) {
		m, err := message.Decode(data)
		if err != nil || m.Kind != message.Push {
			return
		}
		b := PushFrame(topic.Cursor{Epoch: epoch, Seq: seq}, m)
		var push struct {
			Type, Cursor, Room string
			Data               json.RawMessage
		}
		if err := json.Unmarshal(b, &push); err != nil || push.Type != "push" || push.Cursor == "" || !bytes.Equal(push.Data, m.Data) {
			t.Errorf("%q becomes %q: %v", data, b, err)
		}
		if (push.Room == "") != (m.To.Room == "") {
			t.Errorf("%q becomes %q", data, b)
		}
	})
}
