package transport

import (
	"bytes"
	"encoding/json"
	"strconv"
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
	Cursor  string // of the last push; empty when there was none to be heard of
	Resumed bool
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
	return append(dst, '}')
}

func appendTick(dst []byte, id uint64, t Tick) []byte {
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
// so copying whole runs beats encoding/json, which looks at every rune twice.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			continue
		}
		if c >= utf8.RuneSelf {
			// What is not ASCII is left to encoding/json, which knows about
			// broken UTF-8; the rest of the string goes with it.
			dst = append(dst, s[from:i]...)
			return appendSlow(dst, string(s[i:]))
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

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
