package restapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestHostileJSON sends JSON that PHP or pages cannot read, or that takes much memory there, to
// each path that takes a value. Each is refused, and a list has the other entries.
func TestHostileJSON(t *testing.T) {
	n := newTestNode(t)
	deep := strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17)
	hostile := map[string]string{
		"17 levels":  deep,
		"510 levels": `{"a":` + strings.Repeat("[", 509) + strings.Repeat("]", 509) + `}`,
		"values":     `{"a":[` + strings.Repeat("0,", 10_000) + `0]}`,
		"surrogate":  `{"a":"\ud800"}`,
		"number":     `{"a":1e999}`,
		"NUL name":   `{"\u0000":1}`,
	}
	if a := n.presence(t, "PUT", "", putBody("r", "good", 1, "{}")); a.status != 200 {
		t.Fatal(a.text)
	}
	for name, data := range hostile {
		a := n.presence(t, "PUT", "", putBody("r", "bad", 1, data))
		if a.status != http.StatusBadRequest || a.Code != "bad_request" {
			t.Errorf("entry with %s: %d %s", name, a.status, a.text)
		}
		for _, c := range [][2]string{
			{"/push", `{"to":{"all":true},"data":` + data + `}`},
			{"/answer", `{"to":{"all":true},"handle":"stock","ttl":60,"value":` + data + `}`},
		} {
			r, text := n.send(t, "POST", c[0], c[1], key(t))
			if r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s with %s: %d %s", c[0], name, r.StatusCode, text)
			}
		}
	}
	if a := n.presence(t, "GET", "room=r", ""); len(a.entries) != 1 || a.entries[0].ClientID != "good" {
		t.Errorf("the list is %s", a.text)
	}
}

// TestListBudget checks how large the answer with the largest entries is.
func TestListBudget(t *testing.T) {
	n := newTestNode(t)
	data := `{"screen":"post","x":"` + strings.Repeat("x", 10_000) + `"}`
	for user := range 4 {
		for i := range maxUserEntries {
			if a := n.presence(t, "PUT", "", putBody("r", fmt.Sprint(user, "-", i), user+1, data)); a.status != 200 {
				t.Fatal(a.text)
			}
		}
	}
	all := n.presence(t, "GET", "room=r&per_page=1000", "")
	if len(all.entries) != 4*maxUserEntries || len(all.text) > largeBudget+200*1024 {
		t.Errorf("%d entries in %d bytes", len(all.entries), len(all.text))
	}
	if first, last := all.entries[0].Data, all.entries[len(all.entries)-1].Data; string(first) != data || string(last) != `{"screen":"post"}` {
		t.Errorf("the data is %.40s… and %.40s…", first, last)
	}
	cut := 0
	for _, e := range all.entries {
		if string(e.Data) != data {
			cut++
		}
	}
	if marks := strings.Count(all.text, `"data_cut":true`); cut == 0 || marks != cut {
		t.Errorf("%d entries with short data, %d with data_cut", cut, marks)
	}
	if short := n.presence(t, "GET", "room=r&data=short", ""); strings.Contains(short.text, "data_cut") || len(short.entries) != 100 || string(short.entries[0].Data) != `{"screen":"post"}` {
		t.Errorf("short: %.200s", short.text)
	}
	if a := n.presence(t, "GET", "room=r&data=long", ""); a.status != http.StatusBadRequest {
		t.Errorf("data=long: %d", a.status)
	}
}
