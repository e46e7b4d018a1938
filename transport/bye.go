package transport

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The codes of a bye frame, which are also the WebSocket's close codes. This
// is their one table; docs/protocol.md repeats it and a test compares the two.
const (
	CodeProtocol = 4000 // the client broke the protocol: stop using this transport
	CodeDraining = 4001 // this node is going away: reconnect after retry_after_ms
	CodeSlow     = 4002 // the client did not take what was sent: reconnect after retry_after_ms
	CodeTicket   = 4003 // the ticket is refused, over or revoked: come back with a newer one
	CodeReplaced = 4004 // the page's connection id came back on another connection
	CodeTooLarge = 4005 // a frame was larger than allowed
	CodeTooMany  = 4006 // a limit is reached: reconnect after retry_after_ms
	CodeLeft     = 4007 // the answer to leave
)

// OriginRefused is what a page of an origin that is not allowed is told.
const OriginRefused = "this origin is not one of the site's allowed origins"

// Bye ends a connection and says why. It is the error of everything that does.
type Bye struct {
	Code       int
	Reason     string
	RetryAfter time.Duration
}

func (b *Bye) Error() string { return fmt.Sprintf("bye %d: %s", b.Code, b.Reason) }

var errTooLarge = &Bye{Code: CodeTooLarge, Reason: "a frame is larger than max_body allows: post it"}

var errLeft = &Bye{Code: CodeLeft, Reason: "left"}

// errBroken is the error of a request whose body did not arrive in full. It is no bye:
// the client may send the request again.
var errBroken = errors.New("the request broke off")

func protocolError(reason string) *Bye { return &Bye{Code: CodeProtocol, Reason: reason} }

// status is the HTTP status that says the same as the code, for long-poll.
func (b *Bye) status() int {
	switch b.Code {
	case CodeProtocol:
		return 400
	case CodeTicket:
		return 403
	case CodeTooLarge:
		return 413
	case CodeTooMany:
		return 429
	case CodeDraining:
		return 503
	}
	return 410
}

func appendBye(dst []byte, b *Bye) []byte {
	dst = append(dst, `{"type":"bye","code":`...)
	dst = strconv.AppendInt(dst, int64(b.Code), 10)
	dst = append(dst, `,"reason":`...)
	dst = AppendString(dst, b.Reason)
	if b.RetryAfter > 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = strconv.AppendInt(dst, b.RetryAfter.Milliseconds(), 10)
	}
	return append(dst, '}')
}

// byeOf is the bye that an error is.
func byeOf(err error) *Bye {
	var bye *Bye
	if !errors.As(err, &bye) {
		bye = &Bye{Code: CodeTooMany, Reason: err.Error(), RetryAfter: time.Second}
	}
	return bye
}

// refuse answers with a bye frame and the status that says the same.
func refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, errBroken) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), http.StatusRequestTimeout)
		return
	}
	bye := byeOf(err)
	answerBye(w, bye, bye.status())
}

// RefuseOrigin answers the request of a page whose origin is not allowed.
func RefuseOrigin(w http.ResponseWriter) {
	answerBye(w, protocolError(OriginRefused), http.StatusForbidden)
}

func answerBye(w http.ResponseWriter, bye *Bye, status int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if bye.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((bye.RetryAfter+time.Second-1)/time.Second)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(appendBye(nil, bye))
}
