package server

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// times matches the only bytes in which two ticks of one beat may differ.
var times = regexp.MustCompile(`"server_time":\d+|"date_gmt":"[^"]*"`)

// answer is the answer to a beat, on any transport.
type answer struct {
	declined bool
	status   int
	body     string
}

// carriers connect a page over each transport, and return the function that sends a beat.
var carriers = map[string]func(t *testing.T, p *page) func(body string) answer{
	"websocket": func(t *testing.T, p *page) func(string) answer { return numbered(t, p.socket(t).beat) },
	"longpoll":  func(t *testing.T, p *page) func(string) answer { return numbered(t, p.poller(t).beat) },
	"events":    func(t *testing.T, p *page) func(string) answer { return numbered(t, p.streamer(t).beat) },
	"memory":    func(t *testing.T, p *page) func(string) answer { return numbered(t, p.memory(t).beat) },
	"post": func(t *testing.T, p *page) func(string) answer {
		return func(body string) answer {
			r := p.post(t, body)
			if r.StatusCode == 409 {
				return answer{declined: true}
			}
			if h := r.Header; r.StatusCode == 200 && (h.Get("Content-Type") != "application/json; charset=UTF-8" || h.Get("Cache-Control") != "no-store") {
				t.Errorf("a posted beat is answered with the headers %v", h)
			}
			return answer{false, r.StatusCode, text(r)}
		}
	},
}

// numbered returns the function that sends a beat over a link. The beats of a link are numbered.
func numbered(t *testing.T, beat func(id uint64, body string) frame) func(body string) answer {
	id := uint64(0)
	return func(body string) answer {
		id++
		f := beat(id, body)
		if f.ID != id {
			t.Errorf("the answer to beat %d says %d", id, f.ID)
		}
		return answer{f.Type == "decline", f.Status, f.Body}
	}
}

// TestOneContract sends the same beats over every transport and to admin-ajax.php. The
// ticks must be the same byte for byte, apart from times.
func TestOneContract(t *testing.T) {
	beats := map[string]struct {
		native bool
		body   func(p *page) string
	}{
		"no data": {true, func(p *page) string { return p.form() }},
		"a ping":  {true, func(p *page) string { return p.pinging("dashboard") }},
		"a ping in detail": {true, func(p *page) string {
			return p.pinging("front") + "&data[presence-ping][title]=" + url.QueryEscape("Über <b>uns</b> / \"so\" 😀") + "&data[presence-ping][post_id]=7"
		}},
		"an editor's ping": {true, func(p *page) string { return p.form("data[presence-editor-ping][post_id]=42") }},
		"both pings":       {true, func(p *page) string { return p.pinging("dashboard") + "&data[presence-editor-ping][post_id]=42" }},
		"an editor's nonces": {true, func(p *page) string {
			return p.form("data[wp-refresh-post-nonces][post_id]=42&data[wp-refresh-metabox-loader-nonces][post_id]=42")
		}},
		"a ping of nothing": {true, func(p *page) string { return p.form("data[presence-ping]=") }},
		"a ping of text":    {true, func(p *page) string { return p.form("data[presence-ping]=dashboard") }},
		"fields reversed": {true, func(p *page) string {
			fields := strings.Split(p.form(), "&")
			for i, j := 0, len(fields)-1; i < j; i, j = i+1, j-1 {
				fields[i], fields[j] = fields[j], fields[i]
			}
			return strings.Join(fields, "&")
		}},
		"an odd screen":      {true, func(p *page) string { return p.form("screen_id=Ä+B") }},
		"a broken escape":    {true, func(p *page) string { return p.form("x=%zz%") }},
		"an unknown handle":  {false, func(p *page) string { return p.form("data[my-plugin]=1") }},
		"one of two unknown": {false, func(p *page) string { return p.pinging("dashboard") + "&data[my-plugin]=1" }},
		"data is text":       {false, func(p *page) string { return p.form("data=text") }},
		"the Customizer":     {false, func(p *page) string { return p.form("wp_customize=on") }},
		"a wrong nonce":      {false, func(p *page) string { return strings.Replace(p.form(), p.nonce, "0123456789", 1) }},
		"no nonce":           {false, func(p *page) string { return "action=heartbeat" }},
		"another action":     {false, func(p *page) string { return strings.Replace(p.form(), "=heartbeat", "=autosave", 1) }},
		"nothing at all":     {false, func(p *page) string { return "" }},
	}
	for name, carry := range carriers {
		t.Run(name, func(t *testing.T) {
			for what, beat := range beats {
				t.Run(what, func(t *testing.T) {
					p := newNode(t).page(t, 1)
					send := carry(t, p)
					body := beat.body(p)
					got, again := send(body), send(body)
					if got.declined == beat.native {
						t.Fatalf("declined: %v", got.declined)
					}
					if got.declined {
						return
					}
					reference := newNode(t).page(t, 1).ajax(t, body)
					want := times.ReplaceAllString(text(reference), "TIME")
					if got.status != 200 || times.ReplaceAllString(got.body, "TIME") != want {
						t.Errorf("answered %d %s\nadmin-ajax.php answers %s", got.status, got.body, want)
					}
					if times.ReplaceAllString(again.body, "TIME") != want {
						t.Errorf("the same beat again is answered %s", again.body)
					}
				})
			}
		})
	}
}
