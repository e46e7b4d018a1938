package transport

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// The codes of a bye frame, which are also the WebSocket's close codes. A test compares
// this table with that of docs/protocol.md.
const (
	CodeProtocol = 4000 // the client broke the protocol: stop using this transport
	CodeDraining = 4001 // this node is going away, or has just stood still: reconnect after retry_after_ms
	CodeSlow     = 4002 // the client reads too slowly: reconnect after retry_after_ms
	CodeTicket   = 4003 // the ticket is refused, expired or revoked: reconnect with a newer one
	CodeReplaced = 4004 // the page reconnected: another connection has its connection id
	CodeTooLarge = 4005 // a frame was larger than allowed
	CodeTooMany  = 4006 // a limit was reached: reconnect after retry_after_ms
	CodeLeft     = 4007 // the answer to leave
)

// Codes are all codes.
var Codes = []int{CodeProtocol, CodeDraining, CodeSlow, CodeTicket, CodeReplaced, CodeTooLarge, CodeTooMany, CodeLeft}

// OriginRefused is the error for a page of an origin that is not allowed.
const OriginRefused = "this origin is not one of the site's allowed origins"

// Bye says why a connection ends. Functions whose error ends the connection return it as
// that error.
type Bye struct {
	Code       int
	Reason     string
	RetryAfter time.Duration
}

func (b *Bye) Error() string { return fmt.Sprintf("bye %d: %s", b.Code, b.Reason) }

var errTooLarge = &Bye{Code: CodeTooLarge, Reason: "a frame is larger than max_body allows: post it"}

var errLeft = &Bye{Code: CodeLeft, Reason: "left"}

// errIncomplete is the error of a request whose body did not arrive in full. It is not a
// *Bye: the client may send the request again.
var errIncomplete = errors.New("the body of the request did not arrive in full")

// ErrGone is the error for a request of a session that does not exist or has ended.
var ErrGone = errors.New("this session is gone: open a new one")

// errStopping refuses a page that connects while the node stops.
var errStopping = &Bye{Code: CodeDraining, Reason: "this node is going away", RetryAfter: time.Second}

func protocolError(reason string) *Bye { return &Bye{Code: CodeProtocol, Reason: reason} }

// status returns the HTTP status that means the same as the code.
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

// Retry returns when the client may come back. Clients that are refused because of a limit come
// back at different times: after RetryAfter to twice that time.
func (b *Bye) Retry() time.Duration {
	if b.Code == CodeTooMany && b.RetryAfter > 0 {
		return b.RetryAfter + rand.N(b.RetryAfter)
	}
	return b.RetryAfter
}

// Frame returns the frame of the bye.
func (b *Bye) Frame() []byte { return b.frame(b.Retry()) }

func (b *Bye) frame(retry time.Duration) []byte {
	dst := []byte(`{"type":"bye","code":`)
	dst = strconv.AppendInt(dst, int64(b.Code), 10)
	dst = append(dst, `,"reason":`...)
	dst = AppendString(dst, b.Reason)
	if retry > 0 {
		dst = append(dst, `,"retry_after_ms":`...)
		dst = strconv.AppendInt(dst, retry.Milliseconds(), 10)
	}
	return append(dst, '}')
}

// AsBye returns the *Bye that err is or wraps. For any other error it returns a new one, of
// CodeTooMany, after which the client reconnects in a second.
func AsBye(err error) *Bye {
	var bye *Bye
	if !errors.As(err, &bye) {
		bye = &Bye{Code: CodeTooMany, Reason: err.Error(), RetryAfter: time.Second}
	}
	return bye
}

// Refuse answers a request with a bye frame and the status that means the same.
func Refuse(w http.ResponseWriter, err error) {
	if errors.Is(err, ErrGone) { // without a bye: the page may open another session
		w.Header().Set("Cache-Control", "no-store") // otherwise a cache may store a 410
		http.Error(w, err.Error(), http.StatusGone)
		return
	}
	if errors.Is(err, errIncomplete) {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, err.Error(), http.StatusRequestTimeout)
		return
	}
	bye := AsBye(err)
	answerBye(w, bye, bye.status())
}

// seconds returns a time as the value of Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }

// RefuseOrigin answers a request of a page whose origin is not allowed.
func RefuseOrigin(w http.ResponseWriter) {
	answerBye(w, protocolError(OriginRefused), http.StatusForbidden)
}

func answerBye(w http.ResponseWriter, bye *Bye, status int) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	retry := bye.Retry()
	if retry > 0 {
		h.Set("Retry-After", seconds(retry))
	}
	w.WriteHeader(status)
	_, _ = w.Write(bye.frame(retry))
}
