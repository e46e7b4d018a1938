package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Post returns a handler for beats without a session: the request's body is the beat, and
// the response is the tick.
func Post(answer func(ctx context.Context, r *http.Request, body []byte) Tick) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "a beat has at most "+strconv.Itoa(MaxBody)+" bytes", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, errIncomplete.Error(), http.StatusBadRequest)
			return
		}
		WriteTick(w, answer(r.Context(), r, body))
	}
}

// minReadRate is the least number of bytes a second that a client must read.
const minReadRate = 8 << 10

// LimitWrite sets the time within which a client must read a response of size bytes:
// WriteTimeout, and more for a large one. A handler calls it before it writes a response
// that is late or large: the deadline of its HTTP server counts from the request.
func LimitWrite(w http.ResponseWriter, size int) {
	deadline := time.Now().Add(WriteTimeout + time.Duration(size)*time.Second/minReadRate)
	_ = http.NewResponseController(w).SetWriteDeadline(deadline)
}

// WriteTick answers a request with a tick.
func WriteTick(w http.ResponseWriter, t Tick) {
	h := w.Header()
	for name, values := range t.Header {
		h[name] = values
	}
	h["Content-Length"] = []string{strconv.Itoa(len(t.Body))}
	w.WriteHeader(t.Status)
	_, _ = w.Write(t.Body)
}
