package secretfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContent reads files as editors and other programs write them.
func TestContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{
		"a secret": "a secret", "a secret\n": "a secret", "a secret\r\n": "a secret", " a secret \n": " a secret ",
	} {
		var c Content
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.UnmarshalText([]byte(path)); err != nil || string(c) != want {
			t.Errorf("%q: %q, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{
		"": "is empty", "\n": "is empty", "one\ntwo\n": "more than one line", "one\n\n": "more than one line",
		strings.Repeat("x", maxBytes+1): "more than 65536 bytes",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := new(Content).UnmarshalText([]byte(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
	for path, want := range map[string]string{
		"": "the path is empty", path + "/no": "name the file", path + "-missing": "no such file", t.TempDir(): "name a file",
	} {
		if err := new(Content).UnmarshalText([]byte(path)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", path, err, want)
		}
	}
}

func TestSet(t *testing.T) {
	value := ""
	if err := Content("").Set(&value, "api-key"); err != nil || value != "" {
		t.Errorf("without a file: %q, %v", value, err)
	}
	if err := Content("from the file").Set(&value, "api-key"); err != nil || value != "from the file" {
		t.Errorf("%q, %v", value, err)
	}
	if err := Content("again").Set(&value, "api-key"); err == nil || !strings.Contains(err.Error(), "--api-key and --api-key-file are both set") {
		t.Errorf("with both: %v", err)
	}
}
