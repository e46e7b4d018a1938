package transport

import "testing"

const benchBeat = `{"type":"beat","id":7,"body":"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60&_nonce=0123456789&action=heartbeat&screen_id=dashboard&has_focus=true"}`

func BenchmarkParseFrame(b *testing.B) {
	frame := []byte(benchBeat)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseFrame(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTick(b *testing.B) {
	tick := Tick{Status: 200, Body: []byte(`{"wp-auth-check":true,"server_time":1764000000}`)}
	b.ReportAllocs()
	for b.Loop() {
		_ = tickFrame(7, tick)
	}
}

// BenchmarkOutbox hands one frame from a session to a transport.
func BenchmarkOutbox(b *testing.B) {
	var o Outbox
	frame := []byte(`{"type":"tick"}`)
	var taken uint64
	b.ReportAllocs()
	for b.Loop() {
		o.Send(frame)
		_, taken, _ = o.after(taken)
		o.ack(taken)
	}
}
