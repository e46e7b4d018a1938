package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzReadHello checks that a hello as a form is no longer than the form, and that it is the
// same when its fields are written and read again. As JSON it is what ParseHello reads.
func FuzzReadHello(f *testing.F) {
	for _, b := range []string{
		`{"type":"hello","ticket":"t","conn":"page-0001","after":"1-2","body":"idle=0"}`,
		"ticket=t&conn=page-0001&after=k3-7&data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&idle=0",
		"ticket=%74&ticket=u&&a=%zz&=&after", "ticket=%zz", "{", "&&&", "",
	} {
		f.Add(true, []byte(b))
		f.Add(false, []byte(b))
	}
	f.Fuzz(func(t *testing.T, form bool, b []byte) {
		r := &http.Request{Header: http.Header{}}
		if form {
			r.Header.Set("Content-Type", formType)
		}
		hello, err := readHello(r, b)
		if !isForm(r, b) {
			if want, wrong := ParseHello(b); hello != want || (err == nil) != (wrong == nil) {
				t.Errorf("%q is read as %+v, want %+v", b, hello, want)
			}
			return
		}
		checkBye(t, b, err)
		if err != nil {
			return
		}
		if n := len(hello.Ticket) + len(hello.Conn) + len(hello.After) + len(hello.Body); n > len(b) {
			t.Errorf("%q is read as %d bytes", b, n)
		}
		again := "ticket=" + url.QueryEscape(hello.Ticket) + "&conn=" + url.QueryEscape(hello.Conn) + "&after=" + url.QueryEscape(hello.After)
		if hello.Body != "" {
			again += "&" + hello.Body
		}
		if back, err := readHello(r, []byte(again)); err != nil || back.Ticket != hello.Ticket || back.Conn != hello.Conn || back.After != hello.After || strings.Trim(back.Body, "&") != strings.Trim(hello.Body, "&") {
			t.Errorf("%q is read as %+v, and again as %+v, %v", b, hello, back, err)
		}
	})
}

// checkBye fails if an error for a client is not a bye.
func checkBye(t *testing.T, input any, err error) {
	t.Helper()
	var bye *Bye
	if err != nil && !errors.As(err, &bye) {
		t.Errorf("%q: the error is no bye: %v", input, err)
	}
}

// FuzzFormFrame reads the frame of a form, whose type and id are in the query.
func FuzzFormFrame(f *testing.F) {
	for _, query := range []string{"type=beat&id=7", "type=note", "type=leave&id=1", "id=0&type=beat", "type=beat&id=-1", "id=18446744073709551616", "type=beat&type=note", "%zz", ";"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		address := &url.URL{RawQuery: query}
		frame, err := formFrame(&http.Request{URL: address})
		checkBye(t, query, err)
		if err == nil && (frame.Type != "beat" && frame.Type != "note" || (frame.ID == 0) == address.Query().Has("id")) {
			t.Errorf("%q is read as %+v", query, frame)
		}
	})
}

// FuzzPollQuery polls, and requests a stream, with any query.
func FuzzPollQuery(f *testing.F) {
	for _, query := range []string{"after=0", "after=1&id=7", "after=18446744073709551615", "after=-1", "after=", "id=0&after=0", "after=0&after=1", "after=0;id=1", "%zz", "after=%30"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p := newPolls()
		defer p.Stop()
		id := p.open()
		p.e.out.Send([]byte(`{"type":"x"}`))
		gone, cancel := context.WithCancel(t.Context())
		cancel() // a poll that has nothing to send does not wait
		for _, h := range []http.Handler{&LongPoll{p.Sessions}, &Events{Sessions: p.Sessions}} {
			r := httptest.NewRequestWithContext(gone, "GET", "/", nil)
			r.URL.RawQuery = query
			r.Header.Set(SessionHeader, id)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != 200 && w.Code != 400 && w.Code != 410 {
				t.Errorf("%q: %d %s", query, w.Code, w.Body)
			}
			if w.Body.Len() > 0 && w.Header().Get("Content-Type") == "application/json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%q: not JSON: %s", query, w.Body)
			}
		}
	})
}
