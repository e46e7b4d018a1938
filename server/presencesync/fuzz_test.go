package presencesync

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/restapi"
)

// answering answers every request with a status and a body.
type answering struct {
	status int
	body   []byte
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Status: http.StatusText(a.status), Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

// FuzzAnswer reads any answer of WordPress. A row that is accepted can be stored.
func FuzzAnswer(f *testing.F) {
	const row = `{"room":"admin/online","client_id":"user-7","user_id":7,"display_name":"Ada","avatar_url":"","data":{"screen":"dashboard"},"date_gmt":"2026-11-23 05:20:00"}`
	for _, body := range []string{`{"entries":[` + row + `,` + row + `]}`, `{"entries":[{}]}`, `{"entries":[{"data":5}]}`, `{"entries":null}`, `{"entries":{}}`, `[]`, `<p>Error</p>`, ""} {
		f.Add(200, []byte(body))
	}
	f.Add(302, []byte(`{"entries":[]}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		y := &syncer{client: &http.Client{Transport: answering{status, body}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
		y.Secret, y.Now = func(string) string { return "a secret" }, func(string) time.Time { return time.Now() }
		rows, err := y.post(t.Context(), "blog", "https://example.org/", []byte("{}"))
		if err == nil && status != 200 {
			t.Errorf("the answer with the status %d is accepted", status)
		}
		for _, e := range rows {
			if restapi.CheckEntry(&e) != nil {
				continue
			}
			k := presence.Key{Site: "blog", Room: e.Room, ClientID: e.ClientID, Conn: conn}
			if _, err := presence.Normalize(k, presence.Stored{Entry: e}, "node", nil); err != nil && len(e.Data) < presence.MaxValue/2 {
				t.Errorf("%+v is accepted, but not stored: %v", e, err)
			}
		}
	})
}
