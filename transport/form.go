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
// its other fields.
func readHello(r *http.Request, b []byte) (Hello, error) {
	if !isForm(r, b) {
		return parseHello(b)
	}
	var hello Hello
	var body []string
	for pair := range strings.SplitSeq(string(b), "&") {
		name, escaped, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(escaped)
		if err != nil {
			return hello, protocolError("not a form: " + err.Error())
		}
		switch name {
		case "ticket":
			hello.Ticket = value
		case "conn":
			hello.Conn = value
		case "after":
			hello.After = value
		default:
			body = append(body, pair)
		}
	}
	hello.Body = strings.Join(body, "&")
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
