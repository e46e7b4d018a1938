package message

import (
	"encoding/json"
	"testing"
)

// FuzzDecode checks that a message from NATS which is valid stays so when it is written again,
// and that it is within the limits.
func FuzzDecode(f *testing.F) {
	for _, data := range []string{
		`{"kind":"push","to":{"room":"postType/post:42"},"data":{"a":"\u0000"}}`, `{"kind":"push","to":{"all":true}}`, `{"kind":"nudge","to":{"user":7},"spread_ms":60000,"paced":true}`,
		`{"kind":"cron","at":-1,"issued_ms":1}`, `{"kind":"rooms","rooms":[{"room":"a/b","expires":1,"forced":true}],"beat":true}`, `{"kind":"renewed","lives_ms":150000}`,
		`{"kind":"php_beats","beats":{"a":1}}`, `{"kind":"of a newer node","data":5}`, `{"to":{"all":true,"user":1}}`, `null`, `[]`, ``,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if len(again) <= MaxData { // escaped characters take more bytes
			if back, err := Decode(again); err != nil || back.Kind != m.Kind || back.To != m.To || len(back.Rooms) != len(m.Rooms) {
				t.Errorf("%q is decoded as %+v, and again as %+v, %v", data, m, back, err)
			}
		}
		if m.Kind == Push && (len(m.Data) == 0 || len(m.Data) > MaxData || !json.Valid(m.Data)) || m.Kind == Rooms && len(m.Rooms) > MaxRooms || m.SpreadMS < 0 && m.Kind == Nudge {
			t.Errorf("%q is decoded as %+v", data, m)
		}
	})
}

// FuzzDecodeDeposit is FuzzDecode for deposits.
func FuzzDecodeDeposit(f *testing.F) {
	for _, data := range []string{
		`{"to":{"all":true},"handle":"stock","value":{"left":3},"until_ms":1790000000000}`, `{"to":{"can":"edit_posts"},"handle":"a","value":null,"stored_ns":1}`,
		`{"to":{"room":"shop/orders"},"handle":"server_time","value":1}`, `{"to":{},"handle":"a","value":1}`, `{"to":{"user":1},"handle":"presence-x","value":"<"}`, `{}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := DecodeDeposit(data)
		if err != nil {
			return
		}
		if len(d.Value) > MaxValue || d.To.Check() != nil || CheckHandle(d.Handle) != nil {
			t.Errorf("%q is decoded as %+v", data, d)
		}
		again, err := d.Encode()
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if back, err := DecodeDeposit(again); err != nil || back.Key() != d.Key() || back.IsWithdrawal() != d.IsWithdrawal() {
			t.Errorf("%q is decoded as %+v, and again as %+v, %v", data, d, back, err)
		}
	})
}
