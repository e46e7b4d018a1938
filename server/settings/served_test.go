package settings_test

import (
	"testing"

	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/origin"
	"github.com/heartbeatd/heartbeatd/server/settings"
)

// TestServed checks that a removed site is not found, and which of two sites with the same origin is.
func TestServed(t *testing.T) {
	all, err := settings.Check([]settings.Site{
		{ID: "b", Origins: []string{"http://shared.example.org"}, Secrets: []string{"x"}},
		{ID: "a", Origins: []string{"https://shared.example.org", "http://shared.example.org"}, Secrets: []string{"x"}},
		{ID: "gone", Origins: []string{"https://gone.example.org"}, Secrets: []string{"x"}},
	}, limit.New(nil, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	all["gone"].Removed = true
	served := settings.NewServed(all)
	if n := len(served.All()); n != 2 {
		t.Errorf("serves %d sites", n)
	}
	for text, want := range map[string]bool{
		"https://shared.example.org": true, "http://shared.example.org": true, "http://shared.example.org:8080": false,
		"https://gone.example.org": false,
	} {
		o, err := origin.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := served.HasOrigin(o); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for host, want := range map[string]string{"shared.example.org": "a", "shared.example.org:80": "a", "gone.example.org": "", "not a host": ""} {
		got := ""
		if now := served.OfHost(host); now != nil {
			got = now.ID
		}
		if got != want {
			t.Errorf("host %q: site %q, want %q", host, got, want)
		}
	}
}
