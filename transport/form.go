package transport

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
)

const formType = "application/x-www-form-urlencoded"

// isForm reports whether a request of Sessions is a form instead of a JSON frame. Firewalls
// block urlencoded text within JSON, but let the same text pass as a form, as WordPress
// posts it. JSON with the content type of a form is read as JSON.
func isForm(r *http.Request, b []byte) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), formType) && !bytes.HasPrefix(b, []byte("{"))
}

// readHello reads the body of POST /open: a frame, or a form with the fields of the frame.
// Other fields of the form are the body of the hello, and stay unchanged. The ticket is not
// checked yet, so readHello allocates no more than a small multiple of the form's size.
func readHello(r *http.Request, b []byte) (Hello, error) {
	if !isForm(r, b) {
		return ParseHello(b)
	}
	var hello Hello
	var dates string
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
		case "dates":
			field = &dates
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
	hello.Dates = dates == "true"
	hello.Body = string(bytes.TrimSuffix(body, []byte("&")))
	return hello, nil
}

// formFrame reads the frame of a form that was sent to POST /beat. The form is the body of
// a beat or a note; the type and the id are in the address.
func formFrame(r *http.Request) (clientFrame, error) {
	query := r.URL.Query()
	id, err := RequestID(query)
	if err != nil {
		return clientFrame{}, err
	}
	f := clientFrame{Type: query.Get("type"), ID: id}
	if f.Type != "beat" && f.Type != "note" {
		return f, protocolError("a form is a beat or a note, not " + quoteShort(f.Type))
	}
	return f, nil
}
