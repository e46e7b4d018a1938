package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/tailscale/hujson"

	"github.com/heartbeatd/heartbeatd/server/limit"
)

// TestExample checks that the example names every flag of serve, that it is a valid configuration,
// and that each line in a comment is one, too.
func TestExample(t *testing.T) {
	var c cli
	parser, err := kong.New(&c, kong.DefaultEnvars("HEARTBEATD"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := writeExample(&out, parser.Model); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "example.json")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"config", "check", "--config", path}); err != nil {
		t.Errorf("the example is refused: %v", err)
	}
	lines := regexp.MustCompile(`(?m)^\t(?:// )?("([a-z-]+)": .*), // (HEARTBEATD_\w+)$`).FindAllStringSubmatch(out.String(), -1)
	named := make(map[string]bool)
	for _, line := range lines {
		named[line[2]] = true
		text, err := hujson.Standardize([]byte("{" + line[1] + "}"))
		if err != nil || !json.Valid(text) {
			t.Errorf("%s: %v", line[0], err)
		}
	}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			if command.Name == "serve" && !named[flag.Name] {
				t.Errorf("the example does not have %s", flag.Name)
			}
		}
	}
	if !named["log-level"] || named["help"] || named["config"] {
		t.Errorf("the example has %v", named)
	}
}

func TestConfigCheck(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, c := range []struct{ text, want string }{
		{`{"site-secret":"` + secret + `"}`, ""},
		{"{\n// a comment\n\"site-secret\": \"" + secret + "\",\n}", ""},
		{`{"sites":[{"id":"a","secrets":["` + secret + `"]}],"nats-url":"nats://10.0.0.1:4222","log-level":"debug"}`, ""},
		{`{"site-secret":""}`, "--site-secret is empty for site default: set it, or HEARTBEATD_SITE_SECRET"},
		{`{"site-secret":"","sites":[{"id":"a","secrets":["` + secret + `"]}]}`, ""},
		{`{"site-secret":"","sites":[]}`, "--site-secret is empty"},
		{`{"site-secret":"x","site-origin":["example.org"]}`, "write https://example.org"},
		{`{"site-secret":"x","site-upstream":"example.org"}`, "invalid upstream"},
		{`{"base-path":"hb"}`, "must begin with /"},
		{`{"nats-observer":{"observer":"short"},"nats-listen":"127.0.0.1:0"}`, "16 characters"},
		{`{"log-level":"loud"}`, "must be one of"},
		{`{"max-pages":0}`, "--max-pages 0: it must be 1 to"},
		{`{"max-beats":"many"}`, "max-beats"},
		{`{"config":"other.json"}`, `unknown flag "config"`},
		{`{"listen":}`, "must be a JSON object"},
	} {
		path := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run(t.Context(), []string{"config", "check", "--config", path})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// TestSecretFiles reads each secret of serve from a file, named by a flag, the environment and a
// configuration file.
func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HEARTBEATD_SITE_SECRET_FILE", file("secret", "of the site\n"))
	config := file("config.json", `{"nats-observer-file":{"observer":"`+file("observer", "password\n")+`"},"api-key-file":"`+file("api", "key\n")+`"}`)
	c, _, err := parse([]string{"serve", "--config", config, "--site-old-secret-file", file("old", "old\n"), "--nats-url-file", file("url", "nats://u:p@h\n"), "--metrics-key-file", file("metrics", "m")})
	if err != nil {
		t.Fatal(err)
	}
	s := c.Serve
	if s.SiteSecret == nil || *s.SiteSecret != "of the site" || s.SiteOldSecret != "old" || s.NatsURL != "nats://u:p@h" || s.APIKey != "key" || s.MetricsKey != "m" || s.NatsObserver["observer"] != "password" {
		t.Errorf("%+v", s)
	}
	if c, _, err := parse([]string{"push", "1", "--all", "--api-key-file", file("api", "key\n")}); err != nil || c.Push.SiteSecret != "of the site" || c.Push.APIKey != "key" {
		t.Errorf("push: %+v, %v", c, err)
	}
	if err := run(t.Context(), []string{"ticket", "--user", "1"}); err != nil {
		t.Errorf("ticket: %v", err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--site-secret", "x"}, "--site-secret and --site-secret-file are both set"},
		{[]string{"push", "1", "--site-secret", "x"}, "--site-secret and --site-secret-file are both set"},
		{[]string{"--api-key-file", filepath.Join(dir, "missing")}, "--api-key-file"},
		{[]string{"--nats-observer", "observer=a long password", "--nats-observer-file", "observer=" + file("observer", "password\n")}, "both set"},
	} {
		if _, _, err := parse(c.args); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}

// TestLimitFlags checks that the flags have the defaults of a program that sets no limits.
func TestLimitFlags(t *testing.T) {
	c, _, err := parse([]string{"--max-user-pages", "7"})
	want := limit.Defaults
	want.MaxUserPages = 7
	if err != nil || limit.Max(c.Serve.LimitFlags) != want {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
	if got, err := new(LimitFlags).max(); err == nil || !strings.Contains(err.Error(), "--max-pages 0: it must be 1 to 10000000") {
		t.Errorf("limits of zero: %+v, %v", got, err)
	}
}

func TestSuggestions(t *testing.T) {
	for arg, want := range map[string]string{
		"serv": `"serve"`, "versio": `"version"`, "doctr": `"doctor"`, "--lisen": `"--listen"`, "--log-levl": `"--log-level"`,
	} {
		if _, _, err := parse([]string{arg, "x"}); err == nil || !strings.Contains(err.Error(), "did you mean "+want) {
			t.Errorf("%s: %v", arg, err)
		}
	}
	if _, _, err := parse([]string{"completely-different"}); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("%v", err)
	}
}

// TestLogFlags checks the format and the least level of the log.
func TestLogFlags(t *testing.T) {
	var out bytes.Buffer
	log := (&logFlags{LogFormat: "json"}).logger(&out, slog.LevelWarn)
	log.Info("too low")
	log.Warn("logged")
	var line struct{ Msg, Level string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Msg != "logged" || line.Level != "WARN" {
		t.Errorf("%s: %v", out.String(), err)
	}
	out.Reset()
	log = (&logFlags{LogFormat: "text"}).logger(&out, slog.LevelDebug)
	log.Debug("logged")
	if !strings.Contains(out.String(), "level=DEBUG msg=logged") || !log.Enabled(context.Background(), slog.LevelDebug) {
		t.Errorf("%s", out.String())
	}
}
