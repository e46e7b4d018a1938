package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
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
