package server

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/settings"
	"github.com/heartbeatd/heartbeatd/transport"
)

// TestBadFrames sends invalid frames, and checks the bye.
func TestBadFrames(t *testing.T) {
	n := newNode(t)
	p := n.page(t, 1)
	hello := p.hello()
	long := strings.Repeat("x", transport.MaxBody+128<<10)
	cases := map[string]struct {
		frames []string
		code   int
		reason string
	}{
		"a beat before hello":    {[]string{`{"type":"beat","id":1,"body":""}`}, 4000, `the first frame must be a hello, not "beat"`},
		"a second hello":         {[]string{hello, hello}, 4000, "a second hello"},
		"an unknown frame":       {[]string{hello, `{"type":"dance"}`}, 4000, `unknown frame type "dance"`},
		"a frame without a type": {[]string{hello, `{"id":1}`}, 4000, "a frame needs a type"},
		"no JSON":                {[]string{hello, `beat`}, 4000, "not a frame"},
		"no JSON at first":       {[]string{``}, 4000, "not a frame"},
		"a list":                 {[]string{hello, `[]`}, 4000, "not a frame"},
		"an id that is text":     {[]string{hello, `{"type":"beat","id":"1"}`}, 4000, "not a frame"},
		"an id of 0":             {[]string{hello, `{"type":"beat","id":0}`}, 4000, "a beat needs an id above 0"},
		"a body that is a map":   {[]string{hello, `{"type":"beat","id":1,"body":{}}`}, 4000, "not a frame"},
		"no ticket":              {[]string{`{"type":"hello","conn":"01234567"}`}, 4003, "no ticket"},
		"a short conn":           {[]string{strings.Replace(hello, p.conn, "short", 1)}, 4000, "conn must be"},
		"conn poll":              {[]string{strings.Replace(hello, p.conn, "poll", 1)}, 4000, "conn must be"},
		"too large a frame":      {[]string{hello, `{"type":"beat","id":1,"body":"` + long + `"}`}, 4005, "max_body"},
		"too large a hello":      {[]string{`{"type":"hello","ticket":"` + long + `"}`}, 4005, "max_body"},
		"a long ticket":          {[]string{`{"type":"hello","ticket":"` + long[:2049] + `"}`}, 4003, "longer than 2048"},
		"leave":                  {[]string{hello, `{"type":"leave"}`}, 4007, "left"},
	}
	for name, c := range cases {
		t.Run("websocket: "+name, func(t *testing.T) {
			s, _, err := p.dial(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.frames {
				s.send(f)
			}
			bye, code := s.ended()
			if code != c.code || bye.Code != c.code || !strings.Contains(bye.Reason, c.reason) {
				t.Errorf("closed with %d, bye %d %q; want %d %q", code, bye.Code, bye.Reason, c.code, c.reason)
			}
		})
		t.Run("longpoll: "+name, func(t *testing.T) {
			l := &poller{t: t, page: p}
			path, last := "/open", c.frames[0]
			if len(c.frames) == 2 {
				l, path, last = p.poller(t), "/beat", c.frames[1]
			}
			status, b := l.do("POST", path, last)
			want := map[int]int{4000: 400, 4003: 403, 4005: 413, 4007: 204}[c.code]
			if status != want {
				t.Errorf("status %d, want %d", status, want)
			}
			if c.code != 4007 && !strings.Contains(string(b), fmt.Sprintf(`"code":%d`, c.code)) {
				t.Errorf("answered %s", b)
			}
			if path == "/beat" {
				if status, _ := l.do("GET", "/poll?after=0", ""); status != 410 {
					t.Errorf("a poll after the bye: status %d, want 410", status)
				}
			}
		})
	}
}

func TestBinaryFrame(t *testing.T) {
	p := newNode(t).page(t, 1)
	s := p.socket(t)
	if err := s.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"leave"}`)); err != nil {
		t.Fatal(err)
	}
	if bye, code := s.ended(); code != 4000 || !strings.Contains(bye.Reason, "binary") {
		t.Errorf("closed with %d, bye %q", code, bye.Reason)
	}
}

// TestDuplicateID checks that a beat with an id that was answered before is answered again.
func TestDuplicateID(t *testing.T) {
	p := newNode(t).page(t, 1)
	s, l := p.socket(t), newNode(t).page(t, 1).poller(t)
	for range 2 {
		if f := s.beat(7, p.pinging("dashboard")); f.Type != "tick" || f.ID != 7 {
			t.Errorf("websocket: %+v", f)
		}
		if f := l.beat(7, l.page.pinging("dashboard")); f.Type != "tick" || f.ID != 7 {
			t.Errorf("longpoll: %+v", f)
		}
	}
}

// TestLargestBody checks that a beat of max_body bytes is answered, and a larger one refused.
func TestLargestBody(t *testing.T) {
	p := newNode(t).page(t, 1)
	body := p.pinging("dashboard") + "&pad="
	body += strings.Repeat("x", transport.MaxBody-len(body))
	if f := p.socket(t).beat(1, body); f.Type != "tick" {
		t.Errorf("websocket: %+v", f)
	}
	if r := p.ajax(t, body); r.StatusCode != 200 {
		t.Errorf("admin-ajax.php: %d", r.StatusCode)
	}
	if r := p.ajax(t, body+"x"); r.StatusCode != 413 {
		t.Errorf("admin-ajax.php, one byte more: %d", r.StatusCode)
	}
	if r := p.post(t, body+"x"); r.StatusCode != 413 {
		t.Errorf("post, one byte more: %d", r.StatusCode)
	}
}

// TestOrigins checks that only pages of the host itself and of the site's origins connect.
func TestOrigins(t *testing.T) {
	const friend = "https://admin.example.org"
	n := newNode(t, func(c *Config) {
		c.Sites = []Site{{ID: "other", Secrets: []string{"another secret"}, Origins: []string{"https://other.example.org"}}}
	})
	n.sites.configured[demoSite].now().Allowed = []origin.Origin{must(origin.Parse("https://admin.example.org"))}
	n.sites.served.Store(settings.NewServed(map[string]*settings.Settings{demoSite: n.sites.configured[demoSite].now(), "other": n.sites.configured["other"].now()}))
	p := n.page(t, 1)
	for origin, want := range map[string]string{
		"":                          "welcome",
		n.url:                       "welcome",
		friend:                      "welcome",
		"https://other.example.org": "4003",
		"https://evil.example.org":  "403",
		"null":                      "403",
		friend + ".evil.org":        "403",
		"HTTPS://Admin.Example.org": "welcome",
		friend + ":443":             "welcome",
		friend + ":80":              "403",
		"http://admin.example.org":  "403",
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		got := "403"
		s, r, err := p.dial(t, header)
		switch {
		case err == nil:
			s.send(p.hello())
			if f, err := s.read(); err != nil {
				t.Fatal(err)
			} else if got = f.Type; got == "bye" {
				got = fmt.Sprint(f.Code)
			}
		case r == nil || r.StatusCode != 403:
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("a socket from %q: %s, want %s", origin, got, want)
		}
		if got := openFrom(t, p, origin); got != strings.Replace(want, "4003", "403", 1) {
			t.Errorf("open from %q: %s, want %s", origin, got, want)
		}
	}
}

// TestOriginRefused checks the bye for a page of another origin, on every path.
func TestOriginRefused(t *testing.T) {
	p := newNode(t).page(t, 1)
	l := p.poller(t)
	const bye = `{"type":"bye","code":4000,"reason":"this origin is not one of the site's allowed origins"}`
	for _, c := range []struct{ method, path, session string }{
		{"POST", "/open?id=1", ""}, {"GET", "/poll?after=0", l.id}, {"POST", "/beat?type=beat&id=1", l.id}, {"POST", "/beat", ""},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), c.method, p.node.url+"/heartbeat"+c.path, nil)
		r.Header.Set("Origin", "https://evil.example.org")
		if c.session != "" {
			r.Header.Set(transport.SessionHeader, c.session)
		}
		answer := p.do(t, r)
		got, _ := io.ReadAll(answer.Body)
		if answer.StatusCode != 403 || string(got) != bye || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s", c.method, c.path, answer.StatusCode, got)
		}
	}
}

func openFrom(t *testing.T, p *page, origin string) string {
	t.Helper()
	r, _ := http.NewRequestWithContext(t.Context(), "POST", p.node.url+"/heartbeat/open", strings.NewReader(p.hello()))
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	answer := p.do(t, r)
	if answer.Header.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("credentials are allowed across origins")
	}
	if allowed := answer.Header.Get("Access-Control-Allow-Origin"); allowed != "" && allowed != origin {
		t.Errorf("the response to origin %q allows %q", origin, allowed)
	}
	if answer.StatusCode == 200 {
		return "welcome"
	}
	return fmt.Sprint(answer.StatusCode)
}
