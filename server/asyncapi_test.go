package server

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/internal/apidoc"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// frameTypes returns the types of the frames that a pattern finds in the source of the server.
func frameTypes(t *testing.T, pattern string, folders ...string) []string {
	t.Helper()
	var types []string
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(text, -1) {
				types = append(types, string(m[1]))
			}
		}
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// TestFrameTypesAreDocumented compares the types of frames in the source with docs/asyncapi.yaml.
func TestFrameTypesAreDocumented(t *testing.T) {
	documented := apidoc.Messages(t, "socket")
	fromServer := frameTypes(t, `(?:\{"type":"|Type +string .*\n(?:.*\n){1,6}?\t\}\{")([a-z-]+)"`, ".", "room", "replay", "deposit", "../transport")
	fromPage := []string{"hello", "beat", "note", "ticket", "leave"}
	if want := frameTypes(t, `(?m)^\tcase "([a-z]+)":$`, "../transport"); !slices.Equal(want, slices.Sorted(slices.Values(fromPage))) {
		t.Errorf("pages send the frames %q, and package transport reads %q", fromPage, want)
	}
	for _, name := range slices.Concat(fromServer, fromPage) {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/asyncapi.yaml lacks the frame %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(fromPage, name) && !slices.Contains(fromServer, name) {
			t.Errorf("docs/asyncapi.yaml has the frame %s, which the server does not send", name)
		}
	}
}

// TestAsyncAPI sends each frame of a page, and provokes frames of the server. All readers of frames
// in these tests compare them with docs/asyncapi.yaml.
func TestAsyncAPI(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	s := p.socket(t)
	for _, f := range []string{
		p.hello(), fmt.Sprintf(`{"type":"beat","id":1,"body":%q}`, p.pinging("dashboard")), `{"type":"note","body":"data%5Bpresence-ping%5D%5Bscreen%5D=posts&idle=0"}`,
		`{"type":"ticket","ticket":"` + p.ticket + `"}`, `{"type":"leave"}`,
	} {
		name := regexp.MustCompile(`"type":"([a-z]+)"`).FindStringSubmatch(f)[1]
		if err := apidoc.Message(t, name, "payload", []byte(f)); err != nil {
			t.Errorf("docs/asyncapi.yaml does not allow %s: %v", f, err)
		}
		switch name {
		case "hello": // the socket has sent it
		case "leave":
			s.presence(wordpress.AdminRoom, func(f frame) bool { return f.Snapshot != nil || f.Joined != nil })
			n.call(t, "/push", `{"to":{"all":true},"data":{"text":"Lunch!"}}`)
			s.next("push")
			n.call(t, "/nudge", `{"to":{"all":true},"paced":true}`)
			s.next("nudge")
			n.call(t, "/answer", `{"to":{"all":true},"handle":"stock","value":3,"ttl":60}`)
			s.next("deposits")
			s.send(`{"type":"beat","id":3,"body":"action=none"}`)
			s.next("decline")
			s.send(f)
			if bye, code := s.ended(); bye.Code != 4007 || code != 4007 {
				t.Errorf("after a leave: %+v, %d", bye, code)
			}
		case "beat":
			s.send(f)
			s.next("tick")
		default:
			s.send(f)
		}
	}
	for _, bad := range []string{
		`{"type":"tick","id":0,"status":200,"body":"{}"}`, `{"type":"tick","id":1}`, `{"type":"bye","code":1,"reason":"x"}`, `{"type":"presence","room":"a/b","snapshot":[]}`,
		`{"type":"presence","room":"a/b","joined":[{"client_id":"user-1"}]}`, `{"type":"move","more":1}`, `{"type":"unknown"}`, `{}`, `[`,
	} {
		name := "unknown"
		if m := regexp.MustCompile(`"type":"([a-z]+)"`).FindStringSubmatch(bad); m != nil {
			name = m[1]
		}
		if err := apidoc.Message(t, name, "payload", []byte(bad)); err == nil {
			t.Errorf("docs/asyncapi.yaml allows %s", bad)
		}
	}
}
