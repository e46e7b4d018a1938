package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/limit"
)

// program is a running heartbeatd.
type program struct {
	public, admin, nats string
	stop                func()
	ended               chan error
}

var readyLine = regexp.MustCompile(`msg=ready listen=(\S+) admin=(\S+) nats=(\S*)`)

// start runs heartbeatd on free ports until the test ends.
func start(t *testing.T, c serveCmd) *program {
	t.Helper()
	c.Listen, c.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	c.LimitFlags = LimitFlags(limit.Defaults)
	c.BasePath, c.PresenceTTL, c.DrainTime = "/heartbeat", time.Minute, 10*time.Millisecond
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{stop: cancel, ended: make(chan error, 1)}
	go func() {
		p.ended <- c.Run(ctx, slog.New(slog.NewTextHandler(write, nil)))
		_ = write.Close()
	}()
	lines := bufio.NewScanner(read)
	for p.public == "" {
		if !lines.Scan() {
			t.Fatalf("heartbeatd ended: %v", <-p.ended)
		}
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			p.public, p.admin, p.nats = m[1], m[2], m[3]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	t.Cleanup(func() {
		cancel()
		if err := <-p.ended; err != nil {
			t.Errorf("heartbeatd ended with %v", err)
		}
	})
	return p
}

// get requests a URL, and follows redirects.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestDemo starts two programs without any configuration.
func TestDemo(t *testing.T) {
	first := start(t, serveCmd{})
	for url, want := range map[string]string{
		"http://" + first.public + "/":                       "Howdy, Alice Admin",
		"http://" + first.public + "/?user=2&post=42":        "Edit Hello world!",
		"http://" + first.public + "/heartbeat/heartbeat.js": "heartbeat-",
		"http://" + first.public + "/demo/settings?user=3":   `"ticket":`,
		"http://" + first.public + "/demo/avatar/1.svg":      "<svg",
		"http://" + first.admin + "/healthz":                 "ok",
		"http://" + first.admin + "/readyz":                  `{"ready":true,"reasons":[]}`,
		"http://" + first.admin + "/metrics":                 "heartbeatd_sessions 0",
	} {
		if status, body := get(t, url); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %q", url, status, want)
		}
	}
	for url, want := range map[string]int{
		"/demo/settings?user=99": 400, "/demo/settings": 400, "/heartbeat/other.js": 404, "/demo/avatar/9.svg": 404, "/nothing": 404,
	} {
		if status, _ := get(t, "http://"+first.public+url); status != want {
			t.Errorf("%s: %d, want %d", url, status, want)
		}
	}
	second := start(t, serveCmd{})
	if first.nats == "" || second.nats == "" || first.nats == second.nats {
		t.Errorf("NATS listens on %q and %q", first.nats, second.nats)
	}
}

// TestSite checks that with a site there is no demo, and that NATS has no port.
func TestSite(t *testing.T) {
	secret := "a secret, with a comma"
	p := start(t, serveCmd{SiteID: "default", SiteSecret: &secret})
	if p.nats != "" && p.nats != `""` {
		t.Errorf("NATS listens on %s", p.nats)
	}
	if status, _ := get(t, "http://"+p.public+"/"); status != 404 {
		t.Errorf("the demo page: %d", status)
	}
	if status, body := get(t, "http://"+p.public+"/wp-admin/admin-ajax.php?action=heartbeat"); status != 400 || body != "0" {
		t.Errorf("admin-ajax.php: %d %q", status, body)
	}
}

// TestSiteOrigins checks that origins are normalized, and that invalid ones are
// errors.
func TestSiteOrigins(t *testing.T) {
	secret := testSecret
	for _, given := range []string{"https://example.org/", "https://Example.org", "https://example.org:443", "https://example.org/blog", "https://example.org."} {
		p := start(t, serveCmd{SiteID: "default", SiteSecret: &secret, SiteOrigin: []string{given}})
		for origin, want := range map[string]int{"https://example.org": 204, "https://example.org:8443": 403, "http://example.org": 403} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+p.public+"/heartbeat/beat", nil)
			r.Header.Set("Origin", origin)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			allowed := answer.Header.Get("Access-Control-Allow-Origin")
			if answer.StatusCode != want || (want == 204) != (allowed == origin) {
				t.Errorf("--site-origin %s: pages of %s: %d, allowed %q", given, origin, answer.StatusCode, allowed)
			}
		}
	}
	for given, want := range map[string]string{
		"example.org":        `"example.org" is not an origin: it has no scheme; write https://example.org`,
		"*":                  `"*" is not an origin`,
		"https://u@host.org": `user name`,
	} {
		err := run(t.Context(), []string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--site-secret", secret, "--site-origin", given})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--site-origin %s: %v, want %q", given, err, want)
		}
	}
}

// TestSecretFromEnvironment checks that a secret is read unchanged, with its commas.
func TestSecretFromEnvironment(t *testing.T) {
	t.Setenv("HEARTBEATD_SITE_SECRET", "x,y z")
	var c cli
	parser, err := kong.New(&c, kong.DefaultEnvars("HEARTBEATD"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil || c.Serve.SiteSecret == nil || *c.Serve.SiteSecret != "x,y z" {
		t.Errorf("%v, %v", c.Serve.SiteSecret, err)
	}
	t.Setenv("HEARTBEATD_SITE_SECRET", "")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := run(ctx, []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("with an empty secret: %v", err)
	}
}

func TestRefusedFlags(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	config := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(config, []byte(`{"listen":"`+taken.Addr().String()+`","admin-listen":"127.0.0.1:0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--nats-listen", "0.0.0.0:0"}, "loopback"},
		{[]string{"--nats-listen", "somewhere"}, "--nats-listen: NATS listen address"},
		{[]string{"--nats-listen", taken.Addr().String()}, "--nats-listen: NATS listen address: listen tcp"},
		{[]string{"--presence-ttl", "1ms"}, "--presence-ttl"},
		{[]string{"--nats-listen", "127.0.0.1:0", "--nats-observer", "demo=short"}, "16 characters"},
		{[]string{"--nats-observer", "demo=sixteen characters"}, "requires --nats-listen"},
		{[]string{"watch", "postType/*:42"}, "at the end of a room"},
		{[]string{"watch", "--user=-1"}, "above 0"},
		{[]string{"watch", "--kind", "gone"}, "must be one of"},
		{[]string{"watch", "--nats-url", "nats://x:secret@127.0.0.1:1"}, "NATS at 127.0.0.1:1: "},
		{[]string{"--admin-listen", "127.0.0.1:0", "--listen", taken.Addr().String()}, "--listen: another program uses " + taken.Addr().String() + ": stop it, or use --listen"},
		{[]string{"--listen", "127.0.0.1:0", "--admin-listen", taken.Addr().String()}, "or use --admin-listen"},
		{[]string{"--config", config}, "--listen"},
		{[]string{"--sites", `[{"id":"a","secrets":["1","2","3"]}]`}, "one secret, or two"},
		{[]string{"--sites", `[{"id":"a","secrets":["1"]},{"id":"a","secrets":["1"]}]`}, "configured twice"},
		{[]string{"--sites", `[{"id":"shop","secrets":["1"],"network":true},{"id":"shop-2","secrets":["2"]}]`}, `is also that of a site of the network "shop"`},
		{[]string{"--site-network", "--site-id", "shop", "--site-secret", "1", "--sites", `[{"id":"shop-2","secrets":["2"]}]`}, `is also that of a site of the network "shop"`},
		{[]string{"--site-network", "--sites", `[{"id":"shop","secrets":["1"]}]`}, `"network": true`},
		{[]string{"--site-private"}, "--site-secret"},
		{[]string{"--base-path", "hb"}, "must begin with /"},
		{[]string{"--base-path", "/hb/"}, "must begin with /"},
		{[]string{"--site-secret", ""}, "--site-secret is empty"},
		{[]string{"--presence-ttl", "soon"}, "presence-ttl"},
		{[]string{"ticket", "--user", "1"}, "--site-secret"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := run(ctx, c.args); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestWatchPrints checks that a change is one line, whatever a name contains.
func TestWatchPrints(t *testing.T) {
	change := presence.Change{Site: "demo", Kind: presence.Joined, Entry: presence.Entry{
		Room: "admin/online", ClientID: "user-\x071", UserID: 1, DisplayName: "Al\x1b[31mice\n\u202e", Data: json.RawMessage(`{"screen":"dashboard"}`),
	}}
	var out bytes.Buffer
	(&watchCmd{}).print(&out, change)
	if want := "  joined   admin/online  Al�[31mice�� (user-�1)  dashboard\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	out.Reset()
	(&watchCmd{JSON: true}).print(&out, change)
	var object map[string]any
	if err := json.Unmarshal(out.Bytes(), &object); err != nil || object["event"] != "joined" || object["room"] != "admin/online" || object["site"] != "demo" {
		t.Errorf("printed %s: %v", out.String(), err)
	}
}

// TestSiteIsNetwork checks when a site may be a WordPress network without --site-network: when no
// other site can have the ID of one of its sites.
func TestSiteIsNetwork(t *testing.T) {
	secret := "a secret that is long enough for the tests"
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	const external, loopback = "nats://127.0.0.1:4222", "127.0.0.1:4222"
	others := siteList{{ID: "blog", Secrets: []string{secret}}}
	for _, c := range []struct {
		name             string
		cmd              serveCmd
		network, private bool // of the last site
	}{
		{"the only site", serveCmd{SiteSecret: &secret}, true, true},
		{"with an external NATS server", serveCmd{SiteSecret: &secret, NatsURL: external}, false, true},
		{"with NATS open to other nodes", serveCmd{SiteSecret: &secret, NatsListen: loopback}, false, true},
		{"with NATS open to observers", serveCmd{SiteSecret: &secret, NatsListen: loopback, NatsObserver: map[string]string{"observer": secret}}, true, true},
		{"with other sites", serveCmd{SiteSecret: &secret, Sites: others}, false, false},
		{"named as a network", serveCmd{SiteSecret: &secret, NatsURL: external, Sites: others, SiteNetwork: true, SitePrivate: true}, true, true},
		{"the only site of the list", serveCmd{Sites: others}, true, true},
		{"the only site of the list with an external NATS server", serveCmd{Sites: others, NatsURL: external}, false, true},
		{"two sites of the list", serveCmd{Sites: append(siteList{{ID: "news", Secrets: []string{secret}}}, others...)}, false, false},
	} {
		c.cmd.SiteID = "shop"
		sites, err := c.cmd.sites(log)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if last := sites[len(sites)-1]; last.Network != c.network || last.Private != c.private {
			t.Errorf("%s: %+v", c.name, last)
		}
	}
	if others[0].Network {
		t.Error("the flag's own list was changed")
	}
	if !strings.Contains(out.String(), "two sites have the same secret") {
		t.Errorf("logged %s", out.String())
	}
}

// TestSites reads a list of sites from a configuration file.
func TestSites(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config.json")
	write := func(sites string) []string {
		if err := os.WriteFile(config, []byte(`{"sites":`+sites+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"--config", config}
	}
	parse := func(args []string) (c cli, err error) {
		parser, err := kong.New(&c, kong.Configuration(loadConfig))
		if err != nil {
			t.Fatal(err)
		}
		_, err = parser.Parse(args)
		return c, err
	}
	c, err := parse(write(`[{"id":"a","secrets":["1","2"],"origins":["https://a.example"]},{"id":"b","secrets":["3"],"upstream":"http://127.0.0.1:1"}]`))
	if err != nil || len(c.Serve.Sites) != 2 || c.Serve.Sites[0].Secrets[1] != "2" || c.Serve.Sites[1].Upstream != "http://127.0.0.1:1" {
		t.Errorf("%+v, %v", c.Serve.Sites, err)
	}
	if c, err := parse([]string{"--sites", `[{"id":"a","secrets":["1"]}]`}); err != nil || len(c.Serve.Sites) != 1 {
		t.Errorf("as a flag: %+v, %v", c.Serve.Sites, err)
	}
	for _, bad := range []string{`[{"id":"a","secret":"1"}]`, `{"id":"a"}`, `"a"`} {
		if _, err := parse(write(bad)); err == nil || !strings.Contains(err.Error(), "sites must be a list") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	started := start(t, serveCmd{Sites: c.Serve.Sites[:1]})
	if status, _ := get(t, "http://"+started.public+"/"); status != 404 {
		t.Errorf("the demo page: %d", status)
	}
}

// TestConfigNames checks that names which are not flags are refused.
func TestConfigNames(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for text, want := range map[string]string{
		`{"site_secret":"x"}`: `did you mean "site-secret"?`,
		`{"sitesecret":"x"}`:  `unknown flag "sitesecret"`,
		`[]`:                  "must be a JSON object",
		`{"base-path":"hb"}`:  "must begin with /",
	} {
		config := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		err := run(ctx, []string{"--config", config})
		cancel()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestBadTemporaryFolder checks that the error says how to choose another one.
func TestBadTemporaryFolder(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	if err := run(t.Context(), []string{"--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}); err == nil || !strings.Contains(err.Error(), "set TMPDIR") {
		t.Errorf("%v", err)
	}
}
