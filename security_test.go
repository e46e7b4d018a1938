package heartbeatd_test

import (
	"os"
	"regexp"
	"testing"
)

// TestThreatModel checks that the tests which docs/security.md names exist.
func TestThreatModel(t *testing.T) {
	exists := map[string]bool{}
	for _, path := range sourceFiles(t, ".go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	}
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 40 {
		t.Errorf("docs/security.md names %d tests", len(named))
	}
	for _, m := range named {
		if !exists[string(m[1])] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
}
