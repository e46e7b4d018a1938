package heartbeatd_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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
	files := regexp.MustCompile("`([a-z-]+\\.test\\.mjs)`").FindAllSubmatch(page, -1)
	if len(files) < 5 {
		t.Errorf("docs/security.md names %d files of tests", len(files))
	}
	for _, m := range files {
		if _, err := os.Stat("integration/wordpress/" + string(m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, m := range named {
		if !exists[string(m[1])] {
			t.Errorf("docs/security.md names %s, which does not exist", m[1])
		}
	}
}

// fuzzFolders are the folders whose fuzz targets make fuzz runs.
var fuzzFolders = []string{"broker", "server", "transport"}

// TestFuzzTargets checks that docs/security.md lists all fuzz targets, that each has an input to
// begin with, and that make fuzz runs it.
func TestFuzzTargets(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(Fuzz\\w+)`").FindAllSubmatch(page, -1) {
		listed[string(m[1])] = true
	}
	found := make(map[string]string)
	for _, path := range sourceFiles(t, ".go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?ms)^func (Fuzz\w+)\(.*?^}`).FindAllSubmatch(text, -1) {
			name := string(m[1])
			if found[name] != "" {
				t.Errorf("%s and %s both have %s", found[name], path, name)
			}
			found[name] = path
			if folder, _, _ := strings.Cut(filepath.ToSlash(path), "/"); !slices.Contains(fuzzFolders, folder) {
				t.Errorf("make fuzz does not run %s in %s", name, path)
			}
			if !listed[name] {
				t.Errorf("docs/security.md does not list %s", name)
			}
			if !bytes.Contains(m[0], []byte("f.Add(")) {
				t.Errorf("%s has no inputs to begin with: call f.Add", name)
			}
		}
	}
	for name := range listed {
		if found[name] == "" {
			t.Errorf("docs/security.md lists %s, which does not exist", name)
		}
	}
	makefile, err := os.ReadFile("Makefile")
	if want := "'^func Fuzz' " + strings.Join(fuzzFolders, " "); err != nil || !bytes.Contains(makefile, []byte(want)) {
		t.Errorf("make fuzz does not search %v: %v", fuzzFolders, err)
	}
}
