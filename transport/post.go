package transport

import (
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Post returns a handler for beats without a session: the request's body is the beat, and
// the response is the tick. admit decides by the header whether the body is read at all:
// otherwise its tick is the response.
func Post(limits Limits, admit func(r *http.Request) (answer func(body []byte) Tick, refused Tick)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, refused := admit(r)
		if answer == nil {
			WriteTick(w, refused)
			return
		}
		body, err := ReadBody(r, MaxBody, limits)
		if err != nil {
			refuseBody(w, err)
			return
		}
		defer body.Release()
		WriteTick(w, answer(body.Bytes))
	}
}

// refuseBody answers a beat by POST whose body cannot be read. The page posts it to PHP.
func refuseBody(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		http.Error(w, "a beat has at most "+strconv.Itoa(MaxBody)+" bytes", http.StatusRequestEntityTooLarge)
	case errors.Is(err, ErrBusy):
		w.Header().Set("Retry-After", seconds(errBusy.Retry()))
		http.Error(w, errBusy.Reason, http.StatusServiceUnavailable)
	default:
		http.Error(w, errIncomplete.Error(), http.StatusBadRequest)
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
