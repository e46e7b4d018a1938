package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"

	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/pipeline"
	"github.com/heartbeatd/heartbeatd/transport"
)

// adminAjax serves admin-ajax.php. In front of a WordPress it answers the beats that
// it can, and passes every other request on unchanged.
func (s *Server) adminAjax(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(ticketHeader) != "" && r.Method == http.MethodPost && r.ContentLength >= 0 && r.ContentLength <= transport.MaxBody && s.answerAjax(w, r) {
		return
	}
	if st := s.sites.served.Load().OfHost(r.Host); st != nil && st.Proxy != nil {
		st.Proxy.ServeHTTP(w, r)
		return
	}
	c := new(hook.Call)
	c.Die(http.StatusBadRequest, "0")
	transport.WriteTick(w, pipeline.TickOf(c))
}

// answerAjax answers a beat with a ticket, if it can. Otherwise r is as it was.
func (s *Server) answerAjax(w http.ResponseWriter, r *http.Request) (answered bool) {
	st, claims, err := s.admitPost(r)
	if err != nil {
		return false
	}
	body, err := transport.ReadBody(r, transport.MaxBody, s.clients)
	switch {
	case errors.Is(err, transport.ErrBusy):
		http.Error(w, err.Error(), http.StatusGatewayTimeout) // the web server asks PHP itself
		return true
	case err != nil:
		http.Error(w, "the request body ended early", http.StatusBadRequest)
		return true
	}
	defer body.Release()
	if tick := s.answerPost(r, body.Bytes, st, claims); tick.Status == http.StatusOK {
		transport.WriteTick(w, tick)
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(body.Bytes))
	return false
}
