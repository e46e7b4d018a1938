package transport

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Subprotocol is the name and version of the frames.
const Subprotocol = "heartbeat.v1"

// Hello is a client's first frame.
type Hello struct {
	Ticket string
	Conn   string // the page's connection id
	After  string // the cursor of the last push that the page received
	Body   string // the presence handles of its last beat, urlencoded
	Dates  bool   // the page understands dates in presence frames
}

// Welcome is the answer to a hello.
type Welcome struct {
	Session string // set by the transport
	Cursor  string // the page receives the pushes after it
	Resumed bool
	// Set by Sessions, for long-poll and server-sent events: the id of the request, and how
	// long a poll waits.
	ID       uint64
	PollWait time.Duration
	// Set by WebSocket: the longest time between two frames to the client.
	Alive time.Duration
}

// clientFrame is any frame from a client. Fields that its type does not have stay empty.
type clientFrame struct {
	Type   string `json:"type"`
	ID     uint64 `json:"id"`
	Body   string `json:"body"`
	Ticket string `json:"ticket"`
	Conn   string `json:"conn"`
	After  string `json:"after"`
	Dates  bool   `json:"dates"`
}

func parseFrame(b []byte) (clientFrame, error) {
	var f clientFrame
	if err := json.Unmarshal(b, &f); err != nil {
		return f, protocolError("not a frame: " + err.Error())
	}
	if f.Type == "" {
		return f, protocolError("a frame needs a type")
	}
	return f, nil
}

// parseBeat parses a beat exactly as the drop-in writes it, without encoding/json. Any other
// valid spelling is left to parseFrame. The beat's body is a part of b.
func parseBeat(b []byte) (Beat, bool) {
	b, ok := bytes.CutPrefix(b, []byte(`{"type":"beat","id":`))
	if !ok || len(b) == 0 || b[0] == '0' {
		return Beat{}, false
	}
	var id uint64
	digits := 0
	for digits < min(len(b), 19) && '0' <= b[digits] && b[digits] <= '9' {
		id = id*10 + uint64(b[digits]-'0')
		digits++
	}
	body, ok := bytes.CutPrefix(b[digits:], []byte(`,"body":"`))
	if !ok || digits == 0 {
		return Beat{}, false
	}
	body, ok = bytes.CutSuffix(body, []byte(`"}`))
	return Beat{ID: id, Body: body}, ok && allPlain(body)
}

// ParseHello reads a client's first frame. The error is a *Bye.
func ParseHello(b []byte) (Hello, error) {
	f, err := parseFrame(b)
	if err != nil {
		return Hello{}, err
	}
	if f.Type != "hello" {
		return Hello{}, protocolError("the first frame must be a hello, not " + quoteShort(f.Type))
	}
	return Hello{Ticket: f.Ticket, Conn: f.Conn, After: f.After, Body: f.Body, Dates: f.Dates}, nil
}

// Frame returns the frame of the welcome.
func (w Welcome) Frame() []byte {
	dst := []byte(`{"type":"welcome","session":`)
	dst = AppendString(dst, w.Session)
	if w.Cursor != "" {
		dst = append(dst, `,"cursor":`...)
		dst = AppendString(dst, w.Cursor)
	}
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, w.Resumed)
	dst = append(dst, `,"max_body":`...)
	dst = strconv.AppendInt(dst, MaxBody, 10)
	if w.ID != 0 {
		dst = append(dst, `,"id":`...)
		dst = strconv.AppendUint(dst, w.ID, 10)
	}
	if w.PollWait != 0 {
		dst = append(dst, `,"poll_ms":`...)
		dst = strconv.AppendInt(dst, w.PollWait.Milliseconds(), 10)
	}
	if w.Alive != 0 {
		dst = append(dst, `,"alive_ms":`...)
		dst = strconv.AppendInt(dst, w.Alive.Milliseconds(), 10)
	}
	return append(dst, '}')
}

// tickFrame returns the frame of a tick, made with one allocation.
func tickFrame(id uint64, t Tick) []byte {
	escaped := bytes.Count(t.Body, []byte{'"'}) + bytes.Count(t.Body, []byte{'\\'})
	dst := make([]byte, 0, 80+len(t.Body)+escaped) // 80: the largest size of the rest of the frame
	if t.Decline {
		dst = append(dst, `{"type":"decline","id":`...)
		dst = strconv.AppendUint(dst, id, 10)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"tick","id":`...)
	dst = strconv.AppendUint(dst, id, 10)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(t.Status), 10)
	dst = append(dst, `,"body":`...)
	dst = AppendString(dst, t.Body)
	return append(dst, '}')
}

// quoteShort quotes what a client sent, for an error message, and cuts it to 40 bytes.
func quoteShort(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.QuoteToASCII(s)
}
