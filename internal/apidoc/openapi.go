// Package apidoc checks what a server answers against docs/openapi.yaml, and frames and messages on
// NATS against docs/asyncapi.yaml. It is for tests only.
package apidoc

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// path returns the path of a file of docs, from any folder of the module.
func path(name string) (string, error) {
	folder, err := os.Getwd()
	for ; err == nil; folder = filepath.Dir(folder) {
		file := filepath.Join(folder, "docs", name)
		if _, err = os.Stat(file); err == nil {
			return file, nil
		}
		if errors.Is(err, os.ErrNotExist) && folder != filepath.Dir(folder) {
			err = nil
		}
	}
	return "", err
}

type openAPI struct {
	doc    *openapi3.T
	router routers.Router
}

var load = sync.OnceValues(func() (*openAPI, error) {
	file, err := path("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, err
	}
	doc.Servers = nil // tests serve on free ports
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
	}
	for _, kind := range []string{"text/event-stream", "text/javascript", "text/html"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
	router, err := gorillamux.NewRouter(doc) // it validates doc
	return &openAPI{doc, router}, err
})

// OpenAPI returns docs/openapi.yaml, without the addresses of servers.
func OpenAPI(t testing.TB) *openapi3.T {
	t.Helper()
	api, err := load()
	if err != nil {
		t.Fatalf("docs/openapi.yaml: %v", err)
	}
	return api.doc
}

// Request fails the test if docs/openapi.yaml does not allow a request with this body.
func Request(t testing.TB, r *http.Request, body []byte) {
	t.Helper()
	OpenAPI(t)
	if err := openapi3filter.ValidateRequest(r.Context(), input(t, r, body)); err != nil {
		t.Errorf("%s %s: docs/openapi.yaml does not allow the request: %v", r.Method, r.URL.Path, err)
	}
}

// Response fails the test if docs/openapi.yaml does not allow the response: its status, its headers
// or its body. It knows the response's request. A path that the document does not have may only be
// not found.
func Response(t testing.TB, r *http.Response, body []byte) {
	t.Helper()
	OpenAPI(t)
	in := input(t, r.Request, nil)
	if in == nil {
		if r.StatusCode != http.StatusNotFound && r.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: %d, and docs/openapi.yaml has no such operation", r.Request.Method, r.Request.URL.Path, r.StatusCode)
		}
		return
	}
	err := openapi3filter.ValidateResponse(r.Request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: r.StatusCode, Header: r.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
	if err != nil {
		t.Errorf("%s %s: docs/openapi.yaml does not allow the response %d %.300q: %v", r.Request.Method, r.Request.URL, r.StatusCode, body, err)
	}
}

// input returns nil for a request that the document does not have.
func input(t testing.TB, r *http.Request, body []byte) *openapi3filter.RequestValidationInput {
	t.Helper()
	api, _ := load()
	route, params, err := api.router.FindRoute(r)
	if err != nil {
		return nil
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
	}
}
