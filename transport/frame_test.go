package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(`{"type":"beat","id":7,"body":"a=1"}`))
	for _, b := range foreignBeats {
		f.Add([]byte(b))
	}
	f.Add([]byte(`{"type":"hello","ticket":"t","conn":"c","after":"1-2","body":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parseFrame(b)
		if beat, ok := parseBeat(b); ok && (err != nil || parsed != clientFrame{Type: "beat", ID: beat.ID, Body: string(beat.Body)}) {
			t.Errorf("parseFrame(%q) = %+v, but parseBeat returns %d %q", b, parsed, beat.ID, beat.Body)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseFrame(again); err != nil || back != parsed {
			t.Errorf("%q is parsed as %+v, encoded and parsed again as %+v, %v", b, parsed, back, err)
		}
	})
}

// foreignBeats differ slightly from what the drop-in writes.
var foreignBeats = []string{
	`{"type":"beat","id":07,"body":"a"}`, `{"type":"beat","id":,"body":"a"}`, `{"type":"beat","id":0,"body":"a"}`,
	`{"type":"beat","id":99999999999999999999,"body":"a"}`, `{"type":"beat","id":7,"body":"a","body":"b"}`,
	`{"type":"beat","id":7,"body":"long enough\\"}`, `{"type":"beat","id":7,"body":"12345678\u00e9"}`, `{"type":"beat","id":7,"body":"é"}`,
	"{\"type\":\"beat\",\"id\":7,\"body\":\"1234567\x1f\"}", "{\"type\":\"beat\",\"id\":7,\"body\":\"1234567\xff\"}",
	`{"type":"beat","id":7,"body":"a"} `, `{"type":"beat","id":7,"body":"}`, `{"type":"beat","id":7.0,"body":"a"}`, `{"type":"beat","id":7`,
}

// TestParseBeat checks that parseBeat parses what the drop-in writes, and nothing else.
func TestParseBeat(t *testing.T) {
	for _, b := range foreignBeats {
		t.Run(b, func(t *testing.T) {
			if beat, ok := parseBeat([]byte(b)); ok {
				t.Errorf("parsed as %d %q", beat.ID, beat.Body)
			}
		})
	}
	for _, id := range []uint64{1, 7, 1e15, 9999999999999999999} {
		for _, body := range []string{"", "a=1", "data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60", "\x7f"} {
			b := fmt.Sprintf(`{"type":"beat","id":%d,"body":%s}`, id, AppendString(nil, body))
			t.Run(b, func(t *testing.T) {
				if beat, ok := parseBeat([]byte(b)); !ok || beat.ID != id || string(beat.Body) != body {
					t.Errorf("parsed as %d %q, %v", beat.ID, beat.Body, ok)
				}
			})
		}
	}
}

func TestTickFrameAllocatesOnce(t *testing.T) {
	tick := Tick{Status: 200, Body: bytes.Repeat([]byte(`{"a":"\/"}`), 1000)}
	if n := testing.AllocsPerRun(10, func() { _ = tickFrame(math.MaxUint64, tick) }); n != 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

// TestCodesAreDocumented compares the table in docs/protocol.md with the code.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := CodeProtocol; code <= CodeLeft; code++ {
		if !strings.Contains(string(doc), "\n| "+strconv.Itoa(code)+" |") {
			t.Errorf("code %d is missing from the table in docs/protocol.md", code)
		}
	}
	if strings.Count(string(doc), "\n| 40") != CodeLeft-CodeProtocol+1 {
		t.Error("docs/protocol.md has a close code that does not exist")
	}
}

// TestRetryIsSpread checks that clients which a limit refuses do not come back all at once.
func TestRetryIsSpread(t *testing.T) {
	seen := make(map[time.Duration]bool)
	for range 100 {
		retry := (&Bye{Code: CodeTooMany, RetryAfter: time.Second}).Retry()
		if seen[retry] = true; retry < time.Second || retry >= 2*time.Second {
			t.Fatal(retry)
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d different times", len(seen))
	}
	if retry := (&Bye{Code: CodeSlow, RetryAfter: time.Second}).Retry(); retry != time.Second {
		t.Error(retry)
	}
}
