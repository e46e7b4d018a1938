package transport

import (
	"strings"
	"testing"
)

const benchBeat = `{"type":"beat","id":7,"body":"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60&_nonce=0123456789&action=heartbeat&screen_id=dashboard&has_focus=true"}`

// BenchmarkParseBeat parses a beat as the drop-in writes it.
func BenchmarkParseBeat(b *testing.B) {
	frame := []byte(benchBeat)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parseBeat(frame); !ok {
			b.Fatal("not parsed")
		}
	}
}

// BenchmarkParseFrame parses the same beat with encoding/json.
func BenchmarkParseFrame(b *testing.B) {
	frame := []byte(benchBeat)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseFrame(frame); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTickFrame makes frames of the smallest tick, and of one for a
// dashboard that lists 200 people.
func BenchmarkTickFrame(b *testing.B) {
	person := `{"user_id":17,"display_name":"Editor Seventeen","avatar_url":"https:\/\/example.org\/avatar\/17?s=48","screen":"dashboard","screen_label":"Dashboard","date_gmt":"2026-11-23 05:20:00"},`
	for name, body := range map[string]string{
		"small":     `{"wp-auth-check":true,"server_time":1764000000}`,
		"dashboard": `{"presence-online":[` + strings.Repeat(person, 200) + `null]}`,
	} {
		tick := Tick{Status: 200, Body: []byte(body)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				_ = tickFrame(7, tick)
			}
		})
	}
}

// BenchmarkOutbox adds a frame to an outbox, reads it and acknowledges it.
func BenchmarkOutbox(b *testing.B) {
	var o Outbox
	frame := []byte(`{"type":"tick"}`)
	b.ReportAllocs()
	for b.Loop() {
		o.Send(frame)
		buf := borrow()
		last, _, _ := o.fill(buf, false)
		buf.giveBack()
		o.Ack(last)
	}
}
