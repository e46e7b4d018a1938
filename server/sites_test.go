package server

import (
	"testing"

	"github.com/heartbeatd/heartbeatd/server/limit"
)

// TestSiteOfHost checks how the site of a request's host is found.
func TestSiteOfHost(t *testing.T) {
	s, err := newSites([]Site{
		{ID: "one", Origins: []string{"https://One.example.org:443/blog"}, Secrets: []string{"x"}},
		{ID: "two", Origins: []string{"https://two.example.org:8443"}, Secrets: []string{"x"}},
	}, nil, limit.New(nil, nil), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"one.example.org": "one", "one.example.org:443": "one", "ONE.example.org.": "one", "two.example.org:8443": "two",
		"two.example.org": "", "one.example.org:8443": "", "example.org": "",
	} {
		t.Run(host, func(t *testing.T) {
			id := ""
			if st := s.served.Load().OfHost(host); st != nil {
				id = st.ID
			}
			if id != want {
				t.Errorf("site %q, want %q", id, want)
			}
		})
	}
}
