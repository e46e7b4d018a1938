package transport

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

const formType = "application/x-www-form-urlencoded"

// isForm says whether a request of the long-poll is a form instead of a JSON frame.
// Firewalls take an urlencoded text within JSON for an attack that hides itself, and let
// the same text pass as a form, as which WordPress posts it. JSON that claims to be a
// form is taken as JSON.
func isForm(r *http.Request, b []byte) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), formType) && !bytes.HasPrefix(b, []byte("{"))
}

// readHello reads the body of POST /open: a frame, or a form with the frame's body and
// its other fields. The ticket is not yet checked, so it allocates no more than a small
// multiple of what came. What belongs to the frame's body stays as it is.
func readHello(r *http.Request, b []byte) (Hello, error) {
	if !isForm(r, b) {
		return parseHello(b)
	}
	var hello Hello
	body := make([]byte, 0, len(b)+1)
	for pair := range bytes.SplitSeq(b, []byte("&")) {
		name, escaped, _ := bytes.Cut(pair, []byte("="))
		var field *string
		switch string(name) {
		case "ticket":
			field = &hello.Ticket
		case "conn":
			field = &hello.Conn
		case "after":
			field = &hello.After
		default:
			body = append(append(body, pair...), '&')
			continue
		}
		value, err := url.QueryUnescape(string(escaped))
		if err != nil {
			return hello, protocolError("not a form: " + err.Error())
		}
		*field = value
	}
	hello.Body = string(bytes.TrimSuffix(body, []byte("&")))
	return hello, nil
}

// formFrame reads a form that came by POST /beat: its body is the body of a beat or a
// note, and the address has the type and the id.
func formFrame(r *http.Request) (clientFrame, error) {
	query := r.URL.Query()
	id, err := requestID(query)
	if err != nil {
		return clientFrame{}, err
	}
	f := clientFrame{Type: query.Get("type"), ID: id}
	if f.Type != "beat" && f.Type != "note" {
		return f, protocolError("a form is a beat or a note, not " + quoteShort(f.Type))
	}
	return f, nil
}
