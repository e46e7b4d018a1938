package restapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// FuzzRequest reads the body of a POST. What is accepted is the same when it is written and
// read again.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"to":{"room":"postType/post:42"},"data":{"a":[1]}}`, `{"site":"blog","to":{"all":true},"spread_ms":5,"paced":true}`, `{"user":7,"sid":"x","until_ms":1}`, `{"at":1790000000}`,
		`{"to":{"can":"x"},"handle":"stock","value":null,"ttl":5}`, `{"rooms":[{"room":"a","state":"1"}],"beat":true}`, `{"a":1}`, `{} {}`, `[]`, `null`, "", "\xff", `{"data":"\ud800"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var c, back request
		if !decodes(t, body, &c) {
			return
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		if len(again) <= maxRequest && (!decodes(t, again, &back) || back.To != c.To || back.UntilMS != c.UntilMS || len(back.Rooms) != len(c.Rooms)) {
			t.Errorf("%q is read as %+v, and again as %+v", body, c, back)
		}
		if c.To.Check() == nil && len(c.To.Room) > message.MaxName {
			t.Errorf("%q has a target of %d bytes", body, len(c.To.Room))
		}
	})
}

// decodes reads a body, and reports whether it is valid. An error is one of the API's.
func decodes(t *testing.T, body []byte, into any) bool {
	t.Helper()
	w := httptest.NewRecorder()
	err := decode(w, httptest.NewRequest("POST", "/", bytes.NewReader(body)), into)
	var failed *apiError
	if err != nil && (!errors.As(err, &failed) || failed.status < 400 || failed.status > 499 || failed.Message == "") {
		t.Errorf("%q: %v", body, err)
	}
	return err == nil
}

// FuzzEntry reads the body of a PUT. An entry that is accepted can be stored and read again.
func FuzzEntry(f *testing.F) {
	const head = `{"room":"shop/orders","client_id":"user-7","user_id":7,"date_gmt":"2026-11-23 05:20:00"`
	for _, rest := range []string{
		`,"data":{"screen":"x","a":{"b":[1]}},"display_name":"Seven","avatar_url":"https://example.org/7.png","expires_in":5}`, `}`, `,"data":{"\u0000":1}}`, `,"data":[]}`, `,"data": { } }`,
		`,"user_id":-1}`, `,"room":""}`, `,"room":"\u0007"}`, `,"date_gmt":"9999-12-31 00:00:00"}`, `,"idle":true,"conn":"x"}`, `,"data":{"screen_label":{"toString":"a"}}}`, `,"data":{"a":1e999}}`,
	} {
		f.Add([]byte(head + rest))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var p putRequest
		if !decodes(t, body, &p) || CheckEntry(&p.Entry) != nil {
			return
		}
		k := presence.Key{Site: testSite, Room: p.Room, ClientID: p.ClientID, Conn: PostConn}
		stored, err := presence.Normalize(k, presence.Stored{Entry: p.Entry}, "node", nil)
		if errors.Is(err, presence.ErrTooLarge) {
			return
		}
		if err != nil {
			t.Fatalf("%q is accepted, but not stored: %v", body, err)
		}
		if _, back, err := presence.ParseStored(k.String(), stored.JSON()); err != nil || back.Room != p.Room || back.ClientID != p.ClientID {
			t.Errorf("%q is stored as %q: %v", body, stored.JSON(), err)
		}
	})
}

// FuzzAuthenticate checks the header of any key. Only the operator's key and one that the
// site's secret has signed are valid.
func FuzzAuthenticate(f *testing.F) {
	signed, err := ticket.SignKey(testSite, secrets[testSite], ticket.ForAPI, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	for _, header := range []string{"Bearer " + signed, "Bearer " + operator, "bearer " + operator, "Bearer " + signed + ".", "Bearer ", "Basic OjpA", "", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30."} {
		f.Add(header)
	}
	a := &api{isOperator: func(r *http.Request) bool { return HasKey(r, operator) }, Node: Node{
		Keyfunc: func(siteID *string) jwt.Keyfunc {
			return func(t *jwt.Token) (any, error) {
				*siteID, _ = t.Header["kid"].(string)
				return []byte(secrets[testSite]), nil
			}
		},
		HasSite:   func(id string) bool { return id == testSite },
		KeySigned: func(string, time.Time) {},
	}}
	f.Fuzz(func(t *testing.T, header string) {
		site, _, err := a.authenticate(&http.Request{Header: http.Header{"Authorization": {header}}})
		var failed *apiError
		if err != nil && (!errors.As(err, &failed) || failed.status != 401) {
			t.Errorf("%q: %v", header, err)
		}
		if err == nil && site != testSite && header != "Bearer "+operator {
			t.Errorf("%q is valid for the site %q", header, site)
		}
	})
}
