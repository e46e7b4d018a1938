package origin

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestParseOrigin checks that configured origins are normalized to the form of browsers.
func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://example.org":               "https://example.org",
		"https://example.org/":              "https://example.org",
		"https://example.org/blog":          "https://example.org",
		"https://example.org/blog/":         "https://example.org",
		"https://Example.ORG":               "https://example.org",
		"HTTPS://example.org":               "https://example.org",
		"https://example.org.":              "https://example.org",
		"https://example.org.:443/":         "https://example.org",
		"https://example.org:443":           "https://example.org",
		"https://example.org:0443":          "https://example.org",
		"https://example.org:":              "https://example.org",
		"https://example.org:80":            "https://example.org:80",
		"http://example.org:80":             "http://example.org",
		"http://example.org:443":            "http://example.org:443",
		"https://example.org:8443":          "https://example.org:8443",
		"https://my_site.local":             "https://my_site.local",
		"http://localhost:8080":             "http://localhost:8080",
		"http://127.0.0.1:8080":             "http://127.0.0.1:8080",
		"http://[::1]:8080":                 "http://[::1]:8080",
		"http://[0:0:0:0:0:0:0:1]:80":       "http://[::1]",
		"https://[2001:DB8::1]":             "https://[2001:db8::1]",
		"https://bücher.example":            "https://xn--bcher-kva.example",
		"https://BÜCHER.example/":           "https://xn--bcher-kva.example",
		"https://xn--bcher-kva.example:443": "https://xn--bcher-kva.example",
	} {
		t.Run(text, func(t *testing.T) {
			if o, err := Parse(text); err != nil || o.String() != want {
				t.Errorf("%v %v, want %s", o, err, want)
			}
		})
	}
	for text, why := range map[string]string{
		"":                            "write the scheme and the host",
		"example.org":                 "it has no scheme; write https://example.org",
		"example.org:8443/blog":       "it has no scheme; write https://example.org:8443",
		"//example.org":               "write the scheme and the host",
		"*":                           "write the scheme and the host",
		"null":                        "write the scheme and the host",
		"https://":                    "the host is not valid",
		"https://*.example.org":       "the host is not valid",
		"https://example..org":        "the host is not valid",
		"https://.example.org":        "the host is not valid",
		"https://example.org:0":       "the host is not valid",
		"https://example.org:65536":   "the host is not valid",
		"https://[fe80::1%25eth0]":    "the host is not valid",
		"https://a,b":                 "the host is not valid",
		"https://exa mple.org":        "write the scheme and the host",
		"https://example.org:port":    "write the scheme and the host",
		"https://example.org/?a=b":    "write the scheme and the host",
		"https://example.org/?":       "write the scheme and the host",
		"https://example.org/#top":    "write the scheme and the host",
		"https://bob@example.org":     "user name",
		"https://bob:pw@example.org":  "user name",
		"file:///home/index.html":     "http or https",
		"ftp://example.org":           "http or https",
		"wss://example.org":           "http or https",
		"https://a, https://b":        "write the scheme and the host",
		strings.Repeat("a", 300):      "write the scheme and the host",
		"https://\xff.example.org":    "the host is not valid",
		"https://example.org\r\nX: 1": "write the scheme and the host",
	} {
		t.Run(text, func(t *testing.T) {
			if o, err := Parse(text); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%v %v, want an error with %q", o, err, why)
			}
		})
	}
}

// TestLongOrigin checks the time to parse an origin that is as long as the HTTP server
// allows.
func TestLongOrigin(t *testing.T) {
	name := make([]rune, 16_000)
	for i := range name {
		name[i] = rune(0x4e00 + i)
	}
	start := time.Now()
	if _, err := Parse("https://" + string(name)); err == nil {
		t.Error("a name of 16,000 characters is accepted as a host")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	long := strings.Repeat("ü.", 30) + "example"
	if _, err := Parse("https://" + long); err != nil {
		t.Error(err)
	}
}

// TestSameOrigin checks the comparison of a request's Origin with its Host.
func TestSameOrigin(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		want         bool
	}{
		{"", "example.org", true},
		{"https://example.org", "example.org", true},
		{"https://example.org", "example.org:443", true},
		{"https://example.org", "EXAMPLE.org", true},
		{"https://example.org.", "example.org", true},
		{"https://example.org", "example.org.:443", true},
		{"http://example.org", "example.org:80", true},
		{"https://example.org:8443", "example.org:8443", true},
		{"http://[::1]:8080", "[::1]:8080", true},
		{"https://[::1]", "[::1]:443", true},
		{"https://example.org", "example.org:80", false},
		{"http://example.org", "example.org:443", false},
		{"https://example.org:8443", "example.org", false},
		{"https://example.org", "www.example.org", false},
		{"https://example.org", "", false},
		{"null", "null", false},
		{"https://", "", false},
		{"file://example.org", "example.org", false},
	} {
		r := &http.Request{Host: c.host, Header: http.Header{}}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		t.Run(c.origin+" at "+c.host, func(t *testing.T) {
			if got := Same(r); got != c.want {
				t.Errorf("Same: %v, want %v", got, c.want)
			}
		})
	}
}

// TestIsPrivate tells hosts that a page of another site may have from the others.
func TestIsPrivate(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8081": true, "10.0.0.5:80": true, "[::1]": true, "[2001:db8::1]:8081": true,
		"localhost": true, "LOCALHOST:8081": true, "localhost.": true, "site.localhost:80": true, "heartbeatd:8081": true,
		"example.org": false, "example.org:8081": false, "127.0.0.1.example.org": false, "evil.localhost.example": false,
		"": false, "a/b": false, "localhost@evil.example": false,
	} {
		if got := IsPrivate(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}
