package restapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/readiness"
	"github.com/heartbeatd/heartbeatd/server/ticket"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

const (
	testSite = "blog"
	operator = "the operator's key"
)

var secrets = map[string]string{testSite: "a secret", "other": "other secret"}

// testNode is a node with two sites and no pages.
type testNode struct {
	broker  *broker.Broker
	url     string
	renewed int // how often renew was called
}

func newTestNode(t *testing.T) *testNode {
	t.Helper()
	b := nodetest.OpenBroker(t, broker.Config{})
	views, locks := make(map[string]*broker.View), make(map[string]*sync.Mutex)
	for site := range secrets {
		view, err := b.Watch(site, func(presence.Change) {})
		if err != nil {
			t.Fatal(err)
		}
		views[site] = view
		locks[site] = new(sync.Mutex)
	}
	server := httptest.NewServer(New(Node{
		Broker: b,
		Keyfunc: func(siteID *string) jwt.Keyfunc {
			return func(t *jwt.Token) (any, error) {
				*siteID, _ = t.Header["kid"].(string)
				if secret, found := secrets[*siteID]; found {
					return []byte(secret), nil
				}
				return nil, errors.New("no such site")
			}
		},
		HasSite: func(id string) bool { return views[id] != nil },
		View: func(ctx context.Context, id string) (*broker.View, error) {
			views[id].Wait(ctx)
			return views[id], nil
		},
		KeySigned:   func(string, time.Time) {},
		Now:         func(string) time.Time { return time.Now() },
		PutLock:     func(id string) sync.Locker { return locks[id] },
		Renews:      func(presence.Key, int64) (bool, bool) { return false, false },
		Sessions:    func(string) int { return 0 },
		NativeBeats: func(string) map[string]int { return map[string]int{"2026-11-30": 7} },
		PHPBeats:    func(string) (map[string]int, time.Duration) { return map[string]int{"a": 3}, time.Minute },
		Readiness:   func() readiness.State { return readiness.Of(b, false) },
		AdmitDeposit: func(_ string, d *message.Deposit) error {
			if d.Handle == "one-too-many" {
				return errors.New("a site has at most so many deposits")
			}
			return nil
		},
	}, func(r *http.Request) bool { return HasKey(r, operator) }))
	t.Cleanup(func() {
		server.Close()
		for _, v := range views {
			v.Close()
		}
	})
	return &testNode{broker: b, url: server.URL + Path}
}

// send sends a request with a key, unless that is empty.
func (n *testNode) send(t *testing.T, method, path, body, key string) (*http.Response, string) {
	t.Helper()
	header := http.Header{}
	if key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return nodetest.Send(t, method, n.url+path, body, header)
}

// key signs an API key of the test site.
func key(t *testing.T) string {
	return signKey(t, secrets[testSite], time.Now(), ticket.KeyLife, ticket.ForAPI)
}

// signKey signs a key of the test site that may be invalid.
func signKey(t *testing.T, secret string, issued time.Time, life time.Duration, audience ...string) string {
	t.Helper()
	return nodetest.SignKey(t, testSite, secret, issued, life, audience...)
}

// TestKeyAges checks for how long a key is accepted: for its minute, and for the five minutes by
// which the clocks may differ, in both directions.
func TestKeyAges(t *testing.T) {
	n := newTestNode(t)
	for age, want := range map[time.Duration]int{
		-6 * time.Minute: 401, -4 * time.Minute: 202, 0: 202, 3 * time.Minute: 202, 5 * time.Minute: 202, 7 * time.Minute: 401,
	} {
		old := signKey(t, secrets[testSite], time.Now().Add(-age), ticket.KeyLife, ticket.ForAPI)
		if r, body := n.send(t, "POST", "/nudge", `{"to":{"all":true}}`, old); r.StatusCode != want {
			t.Errorf("a key that is %v old: %d %s, want %d", age, r.StatusCode, body, want)
		}
	}
}

// TestNotFound checks that paths and methods which the API does not have get an error of
// the API: by it the plugin knows that heartbeatd answers.
func TestNotFound(t *testing.T) {
	n := newTestNode(t)
	for _, what := range []string{"POST /of-a-newer-plugin", "GET /of-a-newer-plugin", "POST /", "GET /push", "POST /status", "POST /presence"} {
		method, path, _ := strings.Cut(what, " ")
		r, text := n.send(t, method, path, "{}", "")
		var answer struct{ Code, Message string }
		err := json.Unmarshal([]byte(text), &answer)
		if err != nil || r.StatusCode != http.StatusNotFound || answer.Code != "not_found" || answer.Message == "" {
			t.Errorf("%s: %d %q", what, r.StatusCode, text)
		}
	}
}

// TestRefuses checks every kind of invalid request.
func TestRefuses(t *testing.T) {
	n := newTestNode(t)
	now := time.Now()
	good := signKey(t, secrets[testSite], now, time.Minute, "api")
	pageTicket, err := ticket.Sign(testSite, secrets[testSite], ticket.Claims{RegisteredClaims: jwt.RegisteredClaims{Subject: "1"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	push := `{"to":{"all":true},"data":1}`
	for what, c := range map[string]struct {
		key, path, body string
		status          int
	}{
		"a valid push":              {good, "/push", push, 202},
		"the operator":              {operator, "/push", `{"site":"other",` + push[1:], 202},
		"the operator, no site":     {operator, "/push", push, 400},
		"the operator, wrong site":  {operator, "/push", `{"site":"x",` + push[1:], 400},
		"another site":              {good, "/push", `{"site":"other",` + push[1:], 403},
		"another secret":            {signKey(t, secrets["other"], now, time.Minute, "api"), "/push", push, 401},
		"a key of an hour":          {signKey(t, secrets[testSite], now, time.Hour, "api"), "/push", push, 401},
		"an old key":                {signKey(t, secrets[testSite], now.Add(-time.Hour), time.Minute, "api"), "/push", push, 401},
		"a key for something else":  {signKey(t, secrets[testSite], now, time.Minute, "x"), "/push", push, 401},
		"a key for nothing":         {signKey(t, secrets[testSite], now, time.Minute), "/push", push, 401},
		"a ticket for a key":        {pageTicket, "/push", push, 401},
		"half the operator's key":   {"the operator's", "/push", push, 401},
		"no JSON":                   {good, "/push", `x`, 400},
		"two values":                {good, "/push", push + push, 400},
		"an unknown field":          {good, "/push", `{"too":1,` + push[1:], 400},
		"no address":                {good, "/push", `{"data":1}`, 400},
		"two addresses":             {good, "/push", `{"to":{"all":true,"user":1},"data":1}`, 400},
		"a user below 0":            {good, "/push", `{"to":{"user":-1},"data":1}`, 400},
		"a long room":               {good, "/push", `{"to":{"room":"` + strings.Repeat("x", 192) + `"},"data":1}`, 400},
		"a room that is none":       {good, "/push", `{"to":{"room":"everyone"},"data":1}`, 400},
		"a nudge to such a room":    {good, "/nudge", `{"to":{"room":"user:7"}}`, 400},
		"a post's room, misspelt":   {good, "/push", `{"to":{"room":"postType/post42"},"data":1}`, 400},
		"a plugin's room":           {good, "/push", `{"to":{"room":"shop/orders"},"data":1}`, 202},
		"no data":                   {good, "/push", `{"to":{"all":true}}`, 400},
		"too much data":             {good, "/push", `{"to":{"all":true},"data":"` + strings.Repeat("x", message.MaxData) + `"}`, 413},
		"a deposit":                 {good, "/answer", `{"to":{"all":true},"handle":"stock","value":{"a":1},"ttl":3600}`, 202},
		"a withdrawal":              {good, "/answer", `{"to":{"all":true},"handle":"stock","value":null}`, 202},
		"a deposit for nobody":      {good, "/answer", `{"handle":"stock","value":1,"ttl":1}`, 400},
		"a deposit of no value":     {good, "/answer", `{"to":{"all":true},"handle":"stock","ttl":1}`, 400},
		"a deposit without a time":  {good, "/answer", `{"to":{"all":true},"handle":"stock","value":1}`, 400},
		"a deposit for too long":    {good, "/answer", `{"to":{"all":true},"handle":"stock","value":1,"ttl":3601}`, 400},
		"a deposit for no handle":   {good, "/answer", `{"to":{"all":true},"value":1,"ttl":1}`, 400},
		"a handle of core":          {good, "/answer", `{"to":{"all":true},"handle":"wp_autosave","value":1,"ttl":1}`, 400},
		"a large value":             {good, "/answer", `{"to":{"all":true},"handle":"stock","value":"` + strings.Repeat("/", message.MaxValue/2) + `","ttl":1}`, 413},
		"one deposit too many":      {good, "/answer", `{"to":{"all":true},"handle":"one-too-many","value":1,"ttl":1}`, 429},
		"too large a request":       {good, "/push", `{"to":{"all":true},"data":"` + strings.Repeat("x", maxRequest) + `"}`, 413},
		"a nudge over two minutes":  {good, "/nudge", `{"to":{"all":true},"spread_ms":120000}`, 400},
		"a revocation of nobody":    {good, "/revoke", `{}`, 400},
		"a revocation of half a id": {good, "/revoke", `{"user":1,"sid":"abc"}`, 400},
		"a revocation to come":      {good, "/revoke", fmt.Sprintf(`{"user":1,"until_ms":%d}`, now.Add(time.Hour).UnixMilli()), 400},
		"a revocation before time":  {good, "/revoke", `{"user":1,"until_ms":-1}`, 400},
	} {
		t.Run(what, func(t *testing.T) {
			r, text := n.send(t, "POST", c.path, c.body, c.key)
			status, answer := r.StatusCode, map[string]any{}
			if err := json.Unmarshal([]byte(text), &answer); err != nil || status != c.status {
				t.Errorf("%d %q, want %d", status, text, c.status)
			}
			if status >= 400 && (answer["code"] == "" || answer["message"] == "") {
				t.Errorf("answered %v", answer)
			}
		})
	}
	if r, _ := n.send(t, "POST", "/push", push, ""); r.StatusCode != 401 {
		t.Errorf("without a key: %d", r.StatusCode)
	}
}
