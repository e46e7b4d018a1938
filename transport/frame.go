package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"strconv"
	"time"
	"unicode/utf8"
)

// Subprotocol is the name and version of the frames.
const Subprotocol = "heartbeat.v1"

// Hello is a client's first frame.
type Hello struct {
	Ticket string
	Conn   string // the page's connection id
	After  string // the cursor of the last push it saw
	Body   string // the presence handles of its last beat, urlencoded
}

// Welcome is the answer to a hello.
type Welcome struct {
	Session string
	Cursor  string // the page gets what was pushed after it
	Resumed bool
	// Over long-poll only: the id of the request, and how long a poll waits.
	ID       uint64
	PollWait time.Duration
}

// clientFrame is any frame from a client: the fields that its type does not
// have stay empty.
type clientFrame struct {
	Type   string `json:"type"`
	ID     uint64 `json:"id"`
	Body   string `json:"body"`
	Ticket string `json:"ticket"`
	Conn   string `json:"conn"`
	After  string `json:"after"`
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

// parseBeat reads a beat as our own client writes it. Whatever differs from
// that by a byte, however valid, is left to parseFrame. The beat's body is a
// part of b.
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

func parseHello(b []byte) (Hello, error) {
	f, err := parseFrame(b)
	if err != nil {
		return Hello{}, err
	}
	if f.Type != "hello" {
		return Hello{}, protocolError("the first frame must be a hello, not " + quoteShort(f.Type))
	}
	return Hello{Ticket: f.Ticket, Conn: f.Conn, After: f.After, Body: f.Body}, nil
}

func appendWelcome(dst []byte, w Welcome) []byte {
	dst = append(dst, `{"type":"welcome","session":`...)
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
	return append(dst, '}')
}

// tickFrame is the frame of a tick, in a buffer that is large enough at once.
func tickFrame(id uint64, t Tick) []byte {
	escaped := bytes.Count(t.Body, []byte{'"'}) + bytes.Count(t.Body, []byte{'\\'})
	dst := make([]byte, 0, 80+len(t.Body)+escaped) // 80: what is around the body, at its longest
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

// AppendString appends s as a JSON string. Ticks are ASCII and escape little,
// so copying eight bytes at once beats encoding/json, which looks at every rune twice.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	return appendQuoted(dst, []byte(s))
}

func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) >= 8 {
		w := binary.LittleEndian.Uint64(s)
		n := plainOf(w)
		dst = binary.LittleEndian.AppendUint64(dst, w)[:len(dst)+n]
		s = s[n:]
		if n == 8 {
			continue
		}
		if s[0] >= utf8.RuneSelf {
			return appendSlow(dst, string(s))
		}
		dst = appendEscaped(dst, s[0])
		s = s[1:]
	}
	for i, c := range s {
		switch {
		case c >= utf8.RuneSelf:
			return appendSlow(dst, string(s[i:]))
		case isPlain(c):
			dst = append(dst, c)
		default:
			dst = appendEscaped(dst, c)
		}
	}
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// isPlain says whether a byte stands for itself in a JSON string: it is ASCII,
// and no control character, quote or backslash.
func isPlain(c byte) bool {
	return c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\'
}

// plainOf is how many of eight bytes are plain before the first that is not.
// Each term sets the high bit of the bytes that it looks for; borrowing may set
// more bits above those, never below.
func plainOf(w uint64) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^low*'"', w^low*'\\'
	control := (w - low*0x20) &^ w
	found := (w | control | (quote-low)&^quote | (slash-low)&^slash) & high
	return bits.TrailingZeros64(found) / 8
}

// allPlain says whether all bytes of s are plain.
func allPlain(s []byte) bool {
	for ; len(s) >= 8; s = s[8:] {
		if plainOf(binary.LittleEndian.Uint64(s)) < 8 {
			return false
		}
	}
	for _, c := range s {
		if !isPlain(c) {
			return false
		}
	}
	return true
}

// appendSlow appends the rest of a string that is not ASCII. It leaves it to
// encoding/json, which knows about broken UTF-8.
func appendSlow(dst []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	b := bytes.TrimRight(buf.Bytes(), "\n")
	return append(dst, b[1:]...)
}

// quoteShort quotes what a client sent, cut to what an error message can bear.
func quoteShort(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strconv.QuoteToASCII(s)
}
