//go:build linux

package main

import (
	"io"
	"net"
	"net/http"
	"time"
)

// answerOfPHP is what the WordPress behind heartbeatd answers.
const answerOfPHP = `{"from":"PHP"}`

// startWordPress serves a stand-in for the WordPress behind heartbeatd. Requests that
// heartbeatd must not pass on are faults.
func startWordPress(t *tally, answer http.HandlerFunc) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != ajaxPath || len(r.TransferEncoding) > 0 || r.Header.Get("Upgrade") != "" {
			t.fault("WordPress gets %s %q, Transfer-Encoding %q, Upgrade %q", r.Method, r.URL.Path, r.TransferEncoding, r.Header.Get("Upgrade"))
		}
		answer(w, r)
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // until Close
	}()
	return "http://" + l.Addr().String(), func() {
		_ = s.Close()
		<-done
	}, nil
}

// answerShortly reads a request, and answers as PHP.
func answerShortly(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, answerOfPHP)
}
