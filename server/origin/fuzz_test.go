package origin

import (
	"net/http"
	"testing"
)

// FuzzParse checks that an origin has one spelling, and that a page of the host itself has
// that origin.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"https://example.org", "http://EXAMPLE.org.:80/path", "https://bücher.example", "https://[::1]:8443", "https://[::ffff:127.0.0.1]", "http://a:0", "http://a:65536", "https://u:p@h",
		"null", "//x", "https://", "https://a..b", "ftp://x", "https://xn--a", "http://a:443", "https://a_b.test", "http://1.2.3.4:08080",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := Parse(text)
		_ = IsPrivate(text)
		if err != nil {
			return
		}
		if back, err := Parse(o.String()); err != nil || back != o {
			t.Errorf("%q is parsed as %v, and again as %v, %v", text, o, back, err)
		}
		if !o.IsHost(o.Host()) {
			t.Errorf("%q is parsed as %v, which is not its own host", text, o)
		}
		r := &http.Request{Host: o.Host(), Header: http.Header{"Origin": {o.String()}}}
		if !Same(r) || !In(r, []Origin{o}) {
			t.Errorf("a page of %v is not of its own host", o)
		}
	})
}
