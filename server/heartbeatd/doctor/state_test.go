package doctor

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestStateOfTheNode checks what the doctor says of a node that is not ready, and of one with a part that
// does not work.
func TestStateOfTheNode(t *testing.T) {
	d := deploy(t, nil)
	status, body := 0, ""
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer admin.Close()
	const reasons = `"reasons":[{"name":"nats","text":"NATS is away","remedy":"Start NATS","finding":"nats-down"}]}`
	for _, c := range []struct {
		status             int
		body, result, text string
	}{
		{200, `{"ready":true,"reasons":[]}`, OK, "heartbeatd is ready"},
		{200, `{"ready":true,` + reasons, Warning, "nats-down: heartbeatd has no connection to NATS. NATS is away. Start NATS"},
		{503, `{"ready":false,` + reasons, Warning, "nats-down: heartbeatd has no connection to NATS. NATS is away. Start NATS"},
		{503, `{"ready":false,"reasons":[{"name":"starting","text":"heartbeatd starts","remedy":"Wait","finding":"not-ready"}]}`, Warning, "not-ready: heartbeatd runs, but is not ready. heartbeatd starts. Wait."},
		{503, `{"ready":false,"reasons":[]}`, Warning, "not-ready: "},
		{200, `{"ready":true,"reasons":[{"name":"pushes","text":"Pushes wait","remedy":"Wait","finding":"nats-limited"}]}`, Warning, "nats-limited: "},
		{200, `{"ready":true,"reasons":[{"name":"a","text":"An older one","remedy":"Wait"}]}`, Warning, "version-mismatch: The plugin and heartbeatd have different versions. An older one. Wait."},
		{200, `{"ready":true,"reasons":[{"name":"a","text":"A newer one","remedy":"Wait","finding":"b"}]}`, Warning, "version-mismatch: The plugin and heartbeatd have different versions. A newer one. Wait."},
		{200, `{"ready":true}`, Failed, "is not heartbeatd's API"},
		{404, `{"ready":true,"reasons":[]}`, Failed, "is not heartbeatd's API"},
	} {
		status, body = c.status, c.body
		found := d.examine(t, func(config *Config) { config.API.SiteSecret, config.API.API = "", admin.URL })
		want(t, found, "api", c.result, c.text)
	}
}
