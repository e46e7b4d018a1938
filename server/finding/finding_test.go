package finding

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestAll(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range All() {
		if seen[f.Name] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(f.Name) {
			t.Errorf("%q is not a new name in lower case with hyphens", f.Name)
		}
		seen[f.Name] = true
		if !slices.Contains([]string{Error, Warning, Notice}, f.Severity) {
			t.Errorf("%s has the severity %q", f.Name, f.Severity)
		}
		texts := []string{f.Text, f.Meaning, f.Fix}
		for server, fix := range f.Fixes {
			if !slices.ContainsFunc(WebServers, func(name string) bool { return strings.ToLower(name) == server }) {
				t.Errorf("%s has a fix for %q", f.Name, server)
			}
			texts = append(texts, fix)
		}
		for _, text := range texts {
			if !strings.HasSuffix(text, ".") || strings.Count(text, "`")%2 != 0 || strings.Contains(text, "%") {
				t.Errorf("%s: %q is not a sentence with code in backticks and without %%", f.Name, text)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d findings", len(seen))
	}
}

// TestNamed checks that a finding gets its values, and that the list does not change.
func TestNamed(t *testing.T) {
	f := Named("static-rule", "{path}", "/live/")
	if strings.Contains(f.Fix, "{path}") || f.Fixes["nginx"] != "Write `location ^~ /live/`, so that no rule with a regular expression takes precedence." {
		t.Errorf("%+v", f)
	}
	if again := Named("static-rule", "{path}", "/heartbeat/"); !strings.Contains(again.Fix, "`/heartbeat/`") {
		t.Errorf("%+v", again)
	}
	defer func() {
		if recover() == nil {
			t.Error("a name that is not in the list is accepted")
		}
	}()
	Named("nothing")
}
