package apidoc

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// asyncAPI is docs/asyncapi.yaml.
type asyncAPI struct {
	mu       sync.Mutex // guards compiler and schemas
	compiler *jsonschema.Compiler
	url      string
	schemas  map[string]*jsonschema.Schema // by place in the document
	channels map[string][]string           // the messages of each channel
}

var loadAsync = sync.OnceValues(func() (*asyncAPI, error) {
	file, err := path("asyncapi.yaml")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	a := &asyncAPI{compiler: jsonschema.NewCompiler(), url: (&url.URL{Scheme: "file", Path: file}).String(), schemas: make(map[string]*jsonschema.Schema), channels: make(map[string][]string)}
	for name, channel := range doc["channels"].(map[string]any) {
		messages := channel.(map[string]any)["messages"].(map[string]any)
		a.channels[name] = slices.Sorted(maps.Keys(messages))
	}
	a.compiler.DefaultDraft(jsonschema.Draft7) // that of AsyncAPI
	b, err := json.Marshal(doc)                // the compiler needs the types of JSON
	if err != nil {
		return nil, err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return a, a.compiler.AddResource(a.url, parsed)
})

// Messages returns the names of the messages of a channel of docs/asyncapi.yaml.
func Messages(t testing.TB, channel string) []string {
	t.Helper()
	return asyncDoc(t).channels[channel]
}

// Message returns why docs/asyncapi.yaml does not allow a message of this name, whose JSON is text. part
// is payload or headers.
func Message(t testing.TB, name, part string, text []byte) error {
	t.Helper()
	a := asyncDoc(t)
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	schema, err := a.schema("/components/messages/" + name + "/" + part)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// Frame fails the test if docs/asyncapi.yaml does not allow a frame.
func Frame(t testing.TB, frame []byte) {
	t.Helper()
	var f struct{ Type string }
	_ = json.Unmarshal(frame, &f)
	if err := Message(t, f.Type, "payload", frame); err != nil {
		t.Errorf("docs/asyncapi.yaml does not allow the frame %.300s: %v", frame, err)
	}
}

func asyncDoc(t testing.TB) *asyncAPI {
	t.Helper()
	a, err := loadAsync()
	if err != nil {
		t.Fatalf("docs/asyncapi.yaml: %v", err)
	}
	return a
}

func (a *asyncAPI) schema(place string) (*jsonschema.Schema, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.schemas[place]
	if s != nil {
		return s, nil
	}
	s, err := a.compiler.Compile(a.url + "#" + place)
	if err == nil {
		a.schemas[place] = s
	}
	return s, err
}
