package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
)

// TestRedirects checks that the doctor follows redirects of heartbeatd, as pages do, and not those of others.
func TestRedirects(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/heartbeat/open?id=1":
			w.Header().Set("Location", "open?hops=1&id=1")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/heartbeat/open?id=2":
			http.Redirect(w, r, "/heartbeat/open/?id=2", http.StatusMovedPermanently)
		case "/heartbeat/open?id=3":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/heartbeat/open?id=4":
			http.Redirect(w, r, "open?id=4", http.StatusTemporaryRedirect)
		case "/heartbeat/open?id=5":
			http.Redirect(w, r, "https://"+r.Host+"/heartbeat/open?id=1", http.StatusTemporaryRedirect)
		case "/heartbeat/socket":
			w.Header().Set("Location", "socket?hops=1")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}
	}))
	defer front.Close()
	d, err := newCheckup(Config{Site: front.URL, URL: "/heartbeat", API: apiclient.Client{API: apiclient.DefaultURL}})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]int{"1": http.StatusOK, "2": http.StatusMovedPermanently, "3": http.StatusTemporaryRedirect, "4": http.StatusTemporaryRedirect, "5": http.StatusTemporaryRedirect} {
		answer, err := d.http.Post(front.URL+"/heartbeat/open?id="+id, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("id %s: status %d, want %d", id, answer.StatusCode, want)
		}
	}
	r, err := http.NewRequest(http.MethodGet, front.URL+"/heartbeat/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Upgrade", "websocket")
	answer, err := d.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("a WebSocket: status %d", answer.StatusCode)
	}
}
