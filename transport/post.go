package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Post carries a beat as a request of its own: the plain body in, the plain
// tick out. answer sees the body as it came.
func Post(answer func(ctx context.Context, r *http.Request, body []byte) Tick) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			http.Error(w, "a beat may have "+strconv.Itoa(MaxBody)+" bytes", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			http.Error(w, "the request broke off", http.StatusBadRequest)
			return
		}
		WriteTick(w, answer(r.Context(), r, body))
	}
}

// WriteTick writes a tick as the answer to a request.
func WriteTick(w http.ResponseWriter, t Tick) {
	h := w.Header()
	for name, values := range t.Header {
		h[name] = values
	}
	h["Content-Length"] = []string{strconv.Itoa(len(t.Body))}
	w.WriteHeader(t.Status)
	_, _ = w.Write(t.Body)
}
