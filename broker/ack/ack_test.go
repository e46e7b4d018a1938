package ack_test

import (
	"encoding/json"
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/ack"
)

// FuzzParseAck checks that the fast parser of acks agrees with that of JSON.
func FuzzParseAck(f *testing.F) {
	head := string(ack.Head("KV_presence"))
	for _, data := range []string{
		head + "7}", head + "18446744073709551616}", head + "7", head + "-1}", head + `7,"domain":"hub"}`, head + "}", head + "7}}",
		`{"error":{"code":503,"err_code":10076,"description":"x"},"stream":"","seq":0}`, `{"stream":"other","seq":3,"duplicate":true}`, "{}", "null", "",
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		seq, err := ack.Parse(data, []byte(head))
		if err != nil || !json.Valid(data) {
			return
		}
		var answer struct{ Seq uint64 }
		if json.Unmarshal(data, &answer) == nil && answer.Seq != seq {
			t.Errorf("%q has the sequence number %d, not %d", data, answer.Seq, seq)
		}
	})
}
