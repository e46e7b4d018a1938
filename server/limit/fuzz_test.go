package limit

import (
	"net/http"
	"net/netip"
	"testing"
)

// FuzzAddressOf checks that only a trusted web server names an address, and that the address
// is never that of a trusted web server.
func FuzzAddressOf(f *testing.F) {
	for _, c := range [][2]string{
		{"127.0.0.1:5000", "192.0.2.7"}, {"127.0.0.1:5000", "192.0.2.7, 127.0.0.2"}, {"127.0.0.1:5000", "[2001:db8::1]:80"}, {"198.51.100.1:1", "192.0.2.7"},
		{"[::ffff:127.0.0.1]:1", "::ffff:192.0.2.7"}, {"127.0.0.1:5000", "192.0.2.7,"}, {"127.0.0.1:5000", "unknown, 192.0.2.7%eth0"}, {"x", ""}, {"[fe80::1%eth0]:1", ""},
	} {
		f.Add(c[0], c[1])
	}
	trusted := netip.MustParsePrefix("127.0.0.0/8")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		l := New([]netip.Prefix{trusted}, func(string) {})
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		address, known := l.AddressOf(r)
		if !known {
			return
		}
		if !address.IsValid() || trusted.Overlaps(address) || address.Addr().Is4() && address.Bits() != 32 || address.Addr().Is6() && address.Bits() != 64 {
			t.Errorf("%q with %q: %v", peer, forwarded, address)
		}
		r.Header.Set("X-Forwarded-For", "203.0.113.9")
		if again, _ := l.AddressOf(r); !l.IsProxy(r) && again != address {
			t.Errorf("%q is not trusted, but its header changes %v to %v", peer, address, again)
		}
	})
}
