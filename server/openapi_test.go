package server

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/internal/apidoc"
	"github.com/heartbeatd/heartbeatd/internal/nodetest"
	"github.com/heartbeatd/heartbeatd/transport"
)

// undocumented are routes of pages for people, of their files, of the Go profiler, and of what answers
// unknown paths.
var undocumented = []string{"/", "/demo/avatar/{id:[1-9]}.svg", "/demo/{file:uplot\\.(?:css|js)}", "/demo/{file:[a-z]+\\.(?:css|js)}", "/debug/pprof/", "/debug/pprof/profile", "/debug/pprof/trace", "/debug/pprof/symbol", "/api/v1/"}

// TestRoutesAreDocumented compares the routes of both listeners with docs/openapi.yaml.
func TestRoutesAreDocumented(t *testing.T) {
	n := newNode(t)
	routed := map[string]bool{}
	public, _ := n.routes()
	for _, router := range []*mux.Router{public, n.Admin().(*mux.Router)} {
		walkRoutes(t, router, routed)
	}
	for _, path := range undocumented {
		if path != "/" && !hasPath(routed, path) {
			t.Errorf("there is no route %s", path)
		}
	}
	documented := 0
	for path, item := range apidoc.OpenAPI(t).Paths.Map() {
		for method := range item.Operations() {
			documented++
			if key := method + " " + path; !routed[key] {
				t.Errorf("docs/openapi.yaml has %s, and the server has no such route", key)
			}
			delete(routed, method+" "+path)
		}
	}
	for key := range routed {
		if _, path, _ := strings.Cut(key, " "); !slices.Contains(undocumented, path) {
			t.Errorf("docs/openapi.yaml lacks %s", key)
		}
	}
	if documented < 20 {
		t.Errorf("%d operations", documented)
	}
}

func hasPath(routed map[string]bool, path string) bool {
	for key := range routed {
		if strings.HasSuffix(key, " "+path) {
			return true
		}
	}
	return false
}

// walkRoutes adds the routes of a router, and of routers that are handlers of it. A route of any
// method counts as one for POST.
func walkRoutes(t *testing.T, r *mux.Router, routed map[string]bool) {
	t.Helper()
	err := r.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		if inner, ok := route.GetHandler().(*mux.Router); ok {
			walkRoutes(t, inner, routed)
			return nil
		}
		path, err := route.GetPathTemplate()
		if err != nil || route.GetHandler() == nil {
			return nil //nolint:nilerr // it only groups others
		}
		path = strings.ReplaceAll(path, "{script:[a-z-]+\\.js(?:\\.map)?}", "{script}")
		methods, err := route.GetMethods()
		if err != nil {
			methods = []string{"POST"}
		}
		for _, method := range methods {
			if method != http.MethodOptions { // of pages of other origins
				routed[method+" "+path] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// apiCaller calls operations of docs/openapi.yaml.
type apiCaller struct {
	t    *testing.T
	node *node
	page *page
	poll *poller
}

// TestOpenAPI calls each operation of docs/openapi.yaml, which must allow both the requests and the
// responses.
func TestOpenAPI(t *testing.T) {
	c := &apiCaller{t: t, node: newNode(t)}
	c.page = c.node.page(t, 1)
	c.poll = c.page.poller(t)
	called := 0
	for path, item := range apidoc.OpenAPI(t).Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "close" || op.OperationID == "socket" {
				continue // below
			}
			called++
			r, body := c.request(method, path, op)
			c.send(r, body, 200, 202)
			if strings.HasPrefix(path, "/api/") {
				r, body := c.request(method, path, op)
				r.Header.Set("Authorization", "Bearer wrong")
				c.send(r, body, 401)
			}
		}
	}
	c.sessions()
	if called < 18 {
		t.Errorf("%d operations were called", called)
	}
}

// request makes a request that the operation answers with 2xx.
func (c *apiCaller) request(method, path string, op *openapi3.Operation) (*http.Request, []byte) {
	c.t.Helper()
	base := c.node.url
	if slices.Contains([]string{"/healthz", "/readyz", "/metrics"}, path) || strings.HasPrefix(path, "/api/") {
		base = c.node.admin
	}
	query := map[string]string{
		"poll": "?after=0", "events": "?after=0&test=1&id=7", "demoSettings": "?user=1", "removePresence": "?room=admin/online&client_id=user-9",
		"listPresence": "?after=&per_page=1",
	}[op.OperationID]
	var body []byte
	switch {
	case op.OperationID == "open":
		body = []byte(c.page.hello())
	case op.OperationID == "beat", op.OperationID == "adminAjax":
		body = []byte(c.page.pinging("dashboard"))
	case op.RequestBody != nil:
		body, _ = json.Marshal(op.RequestBody.Value.Content["application/json"].Example)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, base+strings.ReplaceAll(path, "{script}", "heartbeat.js")+query, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	kind := "application/json"
	if op.OperationID == "beat" || op.OperationID == "adminAjax" {
		kind = "application/x-www-form-urlencoded"
		r.Header.Set(ticketHeader, c.page.ticket)
	}
	if op.OperationID == "poll" {
		r.Header.Set(transport.SessionHeader, c.poll.id)
	}
	if op.RequestBody != nil {
		r.Header.Set("Content-Type", kind)
	}
	if op.OperationID != "node" && strings.HasPrefix(path, "/api/") { // the demo site needs no key for node
		r.Header.Set("Authorization", "Bearer "+nodetest.SignKey(c.t, demoSite, c.node.demo.Secret(), time.Now(), time.Minute, "api"))
	}
	return r, body
}

func (c *apiCaller) send(r *http.Request, body []byte, want ...int) *http.Response {
	c.t.Helper()
	apidoc.Request(c.t, r, body)
	response, err := c.page.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	stream := response.Header.Get("Content-Type") == "text/event-stream"
	b := make([]byte, 2)
	if stream {
		_, err = io.ReadFull(response.Body, b)
	} else {
		b, err = io.ReadAll(response.Body)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	apidoc.Response(c.t, response, b)
	if !slices.Contains(want, response.StatusCode) {
		c.t.Errorf("%s %s: %d %s, want %v", r.Method, r.URL.Path, response.StatusCode, b, want)
	}
	return response
}

// sessions opens a WebSocket, closes a session, and asks for one that is gone.
func (c *apiCaller) sessions() {
	c.t.Helper()
	_, upgrade, err := c.page.dial(c.t, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	apidoc.Response(c.t, upgrade, nil)
	for path, want := range map[string]int{"/heartbeat/socket": 426, "/heartbeat/poll?after=0": 410, "/heartbeat/events?after=0": 410, "/heartbeat/none.js": 404, "/demo/settings?user=99": 400} {
		r, _ := http.NewRequestWithContext(c.t.Context(), "GET", c.node.url+path, nil)
		c.refused(r, want)
	}
	r, _ := http.NewRequestWithContext(c.t.Context(), "POST", c.node.url+"/heartbeat/close", strings.NewReader("session="+c.poll.id))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.send(r, []byte("session="+c.poll.id), 204)
	for path, want := range map[string]int{"/heartbeat/open": 400, "/heartbeat/beat": 403, "/heartbeat/close": 400} {
		r, _ := http.NewRequestWithContext(c.t.Context(), "POST", c.node.url+path, strings.NewReader(strings.Repeat("%", 1100)))
		c.refused(r, want)
	}
	r, _ = http.NewRequestWithContext(c.t.Context(), "POST", c.node.url+"/heartbeat/open", strings.NewReader(c.page.hello()))
	r.Header.Set("Origin", "https://evil.example")
	c.refused(r, 403)
}

// refused sends a request that the document may not allow. The response must be documented.
func (c *apiCaller) refused(r *http.Request, want int) {
	c.t.Helper()
	if response := c.page.do(c.t, r); response.StatusCode != want {
		c.t.Errorf("%s %s: %d, want %d", r.Method, r.URL.Path, response.StatusCode, want)
	}
}
