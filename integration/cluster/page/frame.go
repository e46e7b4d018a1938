package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// frame is any frame of heartbeatd.
type frame struct {
	Type    string          `json:"type"`
	ID      int64           `json:"id"`
	Session string          `json:"session"`
	Cursor  string          `json:"cursor"`
	Status  int             `json:"status"`
	Body    string          `json:"body"`
	Room    string          `json:"room"`
	Data    json.RawMessage `json:"data"`
	Code    int             `json:"code"`
	Reason  string          `json:"reason"`
	Retry   int64           `json:"retry_after_ms"`
	Spread  int64           `json:"spread_ms"`
	PollMS  int64           `json:"poll_ms"`

	Snapshot *[]entry `json:"snapshot"`
	Total    int      `json:"total"`
	Joined   []entry  `json:"joined"`
	Updated  []entry  `json:"updated"`
	Left     []entry  `json:"left"`
}

type entry struct {
	ClientID string `json:"client_id"`
}

// onlineFrame is how a presence frame of everybody who is online begins. Pages do not read them:
// there are many.
var onlineFrame = []byte(`{"type":"presence","room":"admin/online"`)

// readFrame returns nil if b is no frame, or one that pages do not read.
func readFrame(b []byte) *frame {
	if bytes.HasPrefix(b, onlineFrame) {
		return nil
	}
	f := new(frame)
	if json.Unmarshal(b, f) != nil || f.Type == "" {
		return nil
	}
	return f
}

// The codes that a page treats differently from the others.
const (
	codeTicket = 4003
	codeLeft   = 4007
	codeLost   = 1006
	codeOther  = -1 // another program than heartbeatd has answered
)

// ending says why a link has ended.
type ending struct {
	code  int
	retry time.Duration
	cause string
}

// String says what has ended a link.
func (e *ending) String() string {
	return fmt.Sprintf("code %d, retry after %v: %s", e.code, e.retry, e.cause)
}

func lost(cause ...any) *ending { return &ending{code: codeLost, cause: fmt.Sprint(cause...)} }

// asEnding returns what a bye says.
func asEnding(f *frame) *ending {
	if f.Code == 0 {
		f.Code = codeLost
	}
	return &ending{f.Code, min(time.Hour, time.Duration(f.Retry)*time.Millisecond), f.Reason}
}

// hello is the first frame of a page.
type hello struct {
	Type   string `json:"type"`
	Ticket string `json:"ticket"`
	Conn   string `json:"conn"`
	After  string `json:"after"`
	Body   string `json:"body"`
}

// link is a connection of a page to a node, over one transport. Each has a context, with which
// it ends.
type link interface {
	// open returns nil when the link is open, or why it is not. The welcome is the first frame
	// that the page receives.
	open(h hello) *ending
	// beat sends a beat. The channel gets its answer, or nil if the link has ended.
	beat(body string) <-chan *frame
	// send sends a note, a ticket or a leave.
	send(kind, text string) bool
	// ended is closed when an open link has ended, which why explains.
	ended() <-chan struct{}
	why() *ending
	// close ends the link.
	close()
}

// fields returns the fields of a note, a ticket or a leave.
func fields(kind, text string) map[string]any {
	f := map[string]any{"type": kind}
	switch kind {
	case "note":
		f["body"] = text
	case "ticket":
		f["ticket"] = text
	}
	return f
}

// end is the end of a link. It can be set once.
type end struct {
	done  chan struct{}
	cause *ending
}

func newEnd() *end { return &end{done: make(chan struct{})} }

func (e *end) ended() <-chan struct{} { return e.done }
func (e *end) why() *ending           { return e.cause }
