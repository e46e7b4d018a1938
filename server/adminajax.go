package server

import (
	"bytes"
	"io"
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/transport"
)

// usualBody is the size of the buffer that a beat's body is read into. Most beats
// fit; the buffer grows for larger ones.
const usualBody = 4 << 10

// adminAjax serves admin-ajax.php. In front of a WordPress it answers the beats that
// it can, and passes every other request on unchanged.
func (s *Server) adminAjax(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(ticketHeader) != "" && r.Method == http.MethodPost && r.ContentLength >= 0 && r.ContentLength <= transport.MaxBody {
		var read bytes.Buffer
		read.Grow(int(min(r.ContentLength, usualBody)) + bytes.MinRead)
		if _, err := read.ReadFrom(io.LimitReader(r.Body, transport.MaxBody+1)); err != nil {
			http.Error(w, "the request body ended early", http.StatusBadRequest)
			return
		}
		body := read.Bytes()
		if tick := s.answerPost(r, body); tick.Status == http.StatusOK {
			transport.WriteTick(w, tick)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if st := s.sites.byHost(r); st != nil && st.upstream != nil {
		st.upstream.ServeHTTP(w, r)
		return
	}
	c := new(hook.Call)
	c.Die(http.StatusBadRequest, "0")
	transport.WriteTick(w, pipeline.TickOf(c))
}
