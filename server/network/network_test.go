package network

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for id, want := range map[string]string{
		"shop": "", "shop-": "", "-2": "", "shop-0": "", "shop-02": "", "shop-2x": "", "shop-12345678901": "",
		"shop-2": "shop", "shop-1234567890": "shop", "shop-2-3": "shop-2", "my-shop-3": "my-shop",
	} {
		if got := Of(id); got != want {
			t.Errorf("%s is a site of the network %q, want %q", id, got, want)
		}
	}
}

// TestOverlappingNetworks checks that no site has the ID of a site of a network.
func TestOverlappingNetworks(t *testing.T) {
	for _, c := range []struct {
		ids, networks []string
		ok            bool
	}{
		{[]string{"shop", "shop-2"}, nil, true},
		{[]string{"shop", "blog"}, []string{"shop", "blog"}, true},
		{[]string{"shop", "shop-2-3"}, []string{"shop"}, true},
		{[]string{"shop", "shop-2"}, []string{"shop-2"}, true},
		{[]string{"shop", "shop-2"}, []string{"shop"}, false},
		{[]string{"shop-2", "shop"}, []string{"shop-2", "shop"}, false},
	} {
		if err := Check(c.ids, c.networks); (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), `"shop-2"`) {
			t.Errorf("%v with the networks %v: %v", c.ids, c.networks, err)
		}
	}
}
