// Package origin reads the origins of pages, and compares them with those of requests.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Origin is the origin of pages as browsers write it: the host in lower case and in
// punycode, without a trailing dot, and without the scheme's default port. Two origins are
// the same if they are equal.
type Origin struct{ scheme, host string }

// Host returns the host, with its port if that is not the default one.
func (o Origin) Host() string { return o.host }

// String returns the origin as browsers write it.
func (o Origin) String() string { return o.scheme + "://" + o.host }

// Parse reads an origin, or the URL of a site, whose path is ignored.
func Parse(text string) (Origin, error) {
	fault := func(why string) error {
		return fmt.Errorf("%q is not an origin: %s", WithoutUser(text), why)
	}
	if !strings.Contains(text, "://") {
		if o, err := Parse("https://" + text); err == nil && text != "null" {
			return Origin{}, fault("it has no scheme; write " + o.String())
		}
		return Origin{}, fault("write the scheme and the host of the site's pages, as https://example.org")
	}
	u, err := url.Parse(text)
	if err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return Origin{}, fault("write the scheme and the host of the site's pages, as https://example.org")
	}
	o, err := Of(u)
	if err != nil {
		return Origin{}, fault(err.Error())
	}
	return o, nil
}

// WithoutUser returns a URL for messages, without its user name and password. It may be one that
// cannot be parsed.
func WithoutUser(url string) string {
	i := strings.LastIndexByte(url, '@') // a password may have one, too
	if i < 0 {
		return url
	}
	if scheme, _, found := strings.Cut(url[:i], "://"); found {
		return scheme + "://" + url[i+1:]
	}
	return url[i+1:]
}

// Of returns the origin of a URL.
func Of(u *url.URL) (Origin, error) {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Origin{}, errors.New("the scheme must be http or https")
	case u.User != nil:
		return Origin{}, errors.New("it must not have a user name or a password")
	}
	host, ok := browserHost(u.Scheme, u.Host)
	if !ok {
		return Origin{}, errors.New("the host is not valid; write it as https://example.org or https://example.org:8443")
	}
	return Origin{u.Scheme, host}, nil
}

// ParseAll reads a list of origins.
func ParseAll(texts []string) (list []Origin, err error) {
	for _, text := range texts {
		o, err := Parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// usualPorts are the default ports, which browsers leave out.
var usualPorts = map[string]uint64{"http": 80, "https": 443}

// browserHost returns a host, with its port if it has one, as browsers write it in an
// origin of a scheme. ok is false if it is not a valid host.
func browserHost(scheme, host string) (written string, ok bool) {
	port := ""
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host, port = host[:i], host[i+1:]
	}
	if host, ok = browserName(host); !ok {
		return "", false
	}
	if port == "" {
		return host, true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || n == 0:
		return "", false
	case n == usualPorts[scheme]:
		return host, true
	}
	return host + ":" + strconv.FormatUint(n, 10), true
}

// maxHostName is the largest number of characters of a host name in the DNS.
const maxHostName = 253

func browserName(name string) (written string, ok bool) {
	if inner, found := strings.CutPrefix(name, "["); found {
		inner, found = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		return "[" + addr.String() + "]", found && err == nil && addr.Is6() && addr.Zone() == ""
	}
	if len(name) > utf8.UTFMax*(maxHostName+1) {
		return "", false // clients send names of any length, and the time for punycode is quadratic
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if strings.ContainsFunc(name, func(c rune) bool { return c > 127 }) {
		var err error
		if name, err = idna.Lookup.ToASCII(name); err != nil {
			return "", false
		}
	}
	wrong := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_'
	}
	return name, name != "" && len(name) <= maxHostName && !strings.ContainsFunc(name, wrong) &&
		!strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".") && !strings.Contains(name, "..")
}

// IsHost reports whether a request's Host header names the origin's host. Behind a proxy
// that terminates TLS the browser's scheme is not known: the port may be left out if it is
// the default one of the origin's scheme.
func (o Origin) IsHost(host string) bool {
	written, ok := browserHost(o.scheme, host)
	return ok && written == o.host
}

// OfHost returns the origins whose IsHost is true for a request's Host header.
func OfHost(host string) (list []Origin) {
	for _, scheme := range []string{"https", "http"} {
		if written, ok := browserHost(scheme, host); ok {
			list = append(list, Origin{scheme, written})
		}
	}
	return list
}

// IsPrivate reports whether a Host header has an IP address, localhost, or a name without a
// dot. No page of another site has such a host: its name is in the DNS, where it may resolve
// to an address of this machine (DNS rebinding).
func IsPrivate(host string) bool {
	name, ok := browserHost("http", host)
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		name = name[:i]
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	return ok && (!strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost"))
}

// RequirePrivate refuses requests whose Host header a page of another site may have: a browser
// beside heartbeatd would read the response for that page. remedy says what to do.
func RequirePrivate(remedy string) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !IsPrivate(r.Host) && !isOwnName(r.Host) {
				http.Error(w, remedy, http.StatusMisdirectedRequest)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// isOwnName reports whether a Host header has the name of this machine.
func isOwnName(host string) bool {
	name, err := os.Hostname()
	if given, _, failed := net.SplitHostPort(host); failed == nil {
		host = given
	}
	return err == nil && strings.EqualFold(name, host)
}

// Same reports whether a request comes from a page of the host that it went to. A
// client that is no browser sends no origin.
func Same(r *http.Request) bool {
	header := r.Header.Get("Origin")
	if header == "" || r.Host != "" && header == "https://"+r.Host {
		return true
	}
	o, err := Parse(header)
	return err == nil && o.IsHost(r.Host)
}

// In reports whether a request's origin is one of a list.
func In(r *http.Request, list []Origin) bool {
	if len(list) == 0 {
		return false
	}
	o, err := Parse(r.Header.Get("Origin"))
	return err == nil && slices.Contains(list, o)
}
