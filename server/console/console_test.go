package console

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestFiles asks for the page and each file that it names, and checks that the page has no script or
// style of its own, which the policy forbids.
func TestFiles(t *testing.T) {
	get := func(path string) string {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d with %v", path, w.Code, w.Header())
		}
		return w.Body.String()
	}
	page := get("/")
	named := regexp.MustCompile(`(?:src|href)="([^"#]+)"`).FindAllStringSubmatch(page, -1)
	if len(named) != 5 {
		t.Errorf("the page names %v", named)
	}
	for _, m := range named {
		get("/" + m[1])
	}
	get("/uplot-license.txt")
	if inline := regexp.MustCompile(`<style|<script[^>]*>[^<]| on[a-z]+=| style=`).FindString(page); inline != "" {
		t.Errorf("the page has %s", inline)
	}
}

// TestNoFile checks the answers to paths that no file has.
func TestNoFile(t *testing.T) {
	for _, path := range []string{"/nothing", "/%8c", "/api/%c0%c0%80", "/a%00b", "/%5c"} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}
