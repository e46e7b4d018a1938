package doctor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/heartbeatd/heartbeatd/transport"
)

// fault breaks a web server in one way.
type fault struct {
	broken func(http.Handler) http.Handler
	check  string
	result string // of the check
	name   string // of its finding
	text   string // a part of it
}

// TestBrokenRoute breaks the way to heartbeatd: the check that names the fault fails, and unrelated
// checks do not.
func TestBrokenRoute(t *testing.T) {
	n := start(t)
	checkFaults(t, n, map[string]fault{
		"no route":            {only(under("/heartbeat/"), respond(404, "text/html", "<html>")), "socket", Failed, "no-route", "Another program answers (404)"},
		"everything is PHP":   {only(under("/heartbeat/"), respond(200, "text/html", "<html>")), "socket", Failed, "no-route", "Another program answers (200)"},
		"another path":        {changes(func(r *http.Request) { r.URL.Path = "/heartbeat/x" + r.URL.Path }), "socket", Failed, "path-changed", "--base-path"},
		"redirected":          {only(under("/heartbeat/"), respond(301, "text/html", "https://www.example.org/")), "socket", Failed, "redirected", "leads to https://www.example.org/"},
		"password":            {only(under("/heartbeat/"), respond(401, "text/html", "")), "socket", Failed, "password-required", "requires a password"},
		"forbidden":           {only(under("/heartbeat/"), respond(403, "text/html", "Attack detected")), "socket", Failed, "firewall", "Attack detected"},
		"not acceptable":      {only(under("/heartbeat/"), respond(406, "text/html", "Mod_Security")), "socket", Failed, "firewall", "Mod_Security"},
		"no upgrade":          {changes(func(r *http.Request) { r.Header.Del("Upgrade"); r.Header.Del("Connection") }), "socket", Warning, "no-upgrade", "without their upgrade to a WebSocket. It answers 426"},
		"old HTTP":            {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Key") }), "socket", Warning, "no-upgrade", "It answers 400"},
		"no subprotocol":      {changes(func(r *http.Request) { r.Header.Del("Sec-WebSocket-Protocol") }), "socket", Warning, "no-frames", "without the subprotocol"},
		"heartbeatd is down":  {only(under("/heartbeat/"), respond(502, "text/html", "")), "socket", Failed, "wrong-listen-address", "heartbeatd is stopped, or hangs (502)"},
		"no answer in time":   {only(under("/heartbeat/"), respond(504, "text/html", "")), "socket", Failed, "wrong-listen-address", "hangs (504)"},
		"limited":             {only(under("/heartbeat/beat"), respond(429, "text/html", "")), "post", Warning, "rate-limited", "429"},
		"Host rewritten":      {changes(func(r *http.Request) { r.Host = "127.0.0.1:8080" }), "socket", Failed, "host-changed", "changes the `Host` header"},
		"Origin taken away":   {changes(func(r *http.Request) { r.Header.Del("Origin") }), "origins", Failed, "any-origin", "accepts pages of any origin"},
		"ticket taken away":   {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Ticket") }), "post", Failed, "header-removed", "Heartbeat-Ticket"},
		"session taken away":  {changes(func(r *http.Request) { r.Header.Del("Heartbeat-Session") }), "long-poll", Failed, "header-removed", "Heartbeat-Session"},
		"from a cache":        {headers("X-Cache", "HIT from somewhere"), "cache", Failed, "cache-in-front", "HIT from somewhere"},
		"answers changed":     {only(under("/heartbeat/poll"), respond(200, "text/html", "<html>")), "long-poll", Failed, "answers-changed", "not the one that heartbeatd wrote"},
		"streams refused":     {only(under("/heartbeat/events"), respond(403, "text/html", "Attack detected")), "events", Failed, "firewall", "Attack detected"},
		"streams changed":     {only(under("/heartbeat/events"), respond(200, "text/event-stream", "data: hello\n")), "events", Failed, "answers-changed", "does not begin as heartbeatd wrote it: \"data: hello\""},
		"streams of text":     {only(under("/heartbeat/events"), respond(200, "text/plain", ":1\n\n")), "events", Failed, "answers-changed", "the content type \"text/plain\""},
		"streams not routed":  {only(under("/heartbeat/events"), respond(404, "text/html", "<html>")), "events", Failed, "no-route", "Another program answers (404)"},
		"streams cut":         {only(under("/heartbeat/events"), respond(200, "text/event-stream", "")), "events", Warning, "idle-timeout", "is cut: it ends"},
		"polls cut":           {only(under("/heartbeat/poll"), respond(504, "text/html", "")), "long-poll", Failed, "wrong-listen-address", "504"},
		"plain permalinks":    {only(under("/heartbeat/"), with("X-Redirect-By", "WordPress", respond(301, "text/html", "https://www.example.org/"))), "socket", Failed, "plain-permalinks-without-route", "which redirects it. WordPress redirects to https://www.example.org/ (301)"},
		"captcha":             {only(under("/heartbeat/"), respond(403, "text/html", "<title>Please solve the captcha</title>")), "socket", Failed, "captcha-page", "It answers 403"},
		"captcha with 200":    {only(under("/heartbeat/"), respond(200, "text/html; charset=utf-8", "<div class=g-recaptcha>")), "socket", Failed, "captcha-page", "It answers 200"},
		"a challenge":         {only(under("/heartbeat/"), with("Cf-Mitigated", "challenge", respond(403, "text/html", "Just a moment..."))), "socket", Failed, "captcha-page", "Just a moment"},
		"a form's captcha":    {only(under("/heartbeat/"), respond(404, "text/html", `<script src="/wp-includes/js/x.js"></script><div class=g-recaptcha>`)), "socket", Failed, "no-route", "(404)"},
		"PROXY protocol":      {only(under("/heartbeat/"), throughProxyProtocol(n)), "socket", Failed, "proxy-protocol", "speaks the PROXY protocol"},
		"firewall on origins": {only(func(r *http.Request) bool { return r.Header.Get("Origin") == foreignOrigin }, respond(403, "text/html", "Attack detected")), "origins", Skipped, "", "another program than heartbeatd"},
		"no hello as a form":  {only(isFormHello, respond(403, "text/html", "Attack detected")), "long-poll", Failed, "firewall", "Attack detected"},
		"no JSON hello":       {only(isJSONHello, respond(403, "text/html", "Attack detected")), "long-poll", OK, "", "at once"},
		"no programs":         {only(isProgram, respond(403, "text/html", "Attack detected")), "long-poll", OK, "", "at once"},
	})
}

// TestBrokenSite does the same with the site and its pages.
func TestBrokenSite(t *testing.T) {
	checkFaults(t, start(t), map[string]fault{
		"cookies mixed up":         {only(hasForeignCookie, respond(403, "application/json", `{"type":"bye","code":4003,"reason":"the log-in cookie is of another session than the ticket"}`)), "cookies", Failed, "foreign-cookie", "another WordPress on this host"},
		"cookies, and origin":      {only(hasForeignCookie, respond(403, "application/json", `{"type":"bye","code":4000,"reason":"`+transport.OriginRefused+`"}`)), "cookies", Failed, "host-changed", "the origin of this site’s pages"},
		"cookies kept out":         {only(hasForeignCookie, respond(403, "text/html", "Attack detected")), "cookies", Failed, "firewall", "Attack detected"},
		"static rule":              {only(under("/heartbeat/heartbeat.js"), respond(404, "text/html", "")), "script", Warning, "static-rule", "static files"},
		"static rule, no plugin":   {both(only(under(pluginScript), respond(404, "text/html", "")), only(under("/heartbeat/heartbeat.js"), respond(404, "text/html", ""))), "script", Warning, "static-rule", "static files"},
		"script kept, no plugin":   {both(only(under(pluginScript), respond(404, "text/html", "")), headers("Cache-Control", "max-age=31536000")), "script", Warning, "script-cached", "max-age=31536000"},
		"script kept":              {headers("Cache-Control", "max-age=31536000"), "script", Warning, "script-cached", "max-age=31536000"},
		"admin is public":          {only(under("/metrics"), respond(200, "text/plain", "heartbeatd_sessions 3\n")), "admin", Failed, "admin-public", "/metrics"},
		"many headers":             {headers("X-Extra", strings.Repeat("x", 1800)), "headers", OK, "", "for a ticket"},
		"too many headers":         {headers("X-Extra", strings.Repeat("x", 2600)), "headers", Warning, "small-header-buffer", "no room for a ticket"},
		"no beats":                 {only(isPosted, respond(404, "text/html", "nothing")), "headers", Skipped, "", "(404"},
		"site moved":               {only(under("/wp-admin/"), respond(301, "text/html", "https://www.example.org/wp-admin/")), "site", Failed, "no-wordpress", "redirects to https://www.example.org/"},
		"site is something":        {only(under("/wp-admin/"), respond(404, "text/html", "no such page")), "site", Failed, "no-wordpress", "no such page"},
		"site is protected":        {only(under("/wp-admin/"), respond(401, "text/html", "")), "site", Failed, "no-wordpress", "refused (401)"},
		"site is broken":           {only(under("/wp-admin/"), respond(500, "text/html", "")), "site", Failed, "no-wordpress", "an error (500)"},
		"the site is late":         {only(isPosted, tick(10*time.Minute)), "clocks", Failed, "clock-off", "ahead of heartbeatd's"},
		"the site is early":        {only(isPosted, tick(-40*time.Second)), "clocks", OK, "clock-differs", "behind heartbeatd's"},
		"tickets from future":      {only(isPosted, tick(10*time.Minute)), "ticket", Failed, "clock-off", "heartbeatd says"},
		"a CDN's clock":            {headers("Date", "Tue, 01 Jan 2030 00:00:00 GMT"), "clocks", OK, "", "agree"},
		"the site is late, untold": {both(only(isPosted, respond(404, "", "")), headers("Date", "Tue, 01 Jan 2030 00:00:00 GMT")), "clocks", Failed, "clock-off", "ahead of heartbeatd's"},
		"body limit":               {only(func(r *http.Request) bool { return r.ContentLength > 32<<10 }, respond(413, "text/html", "")), "size", Warning, "small-body-limit", "128 KiB"},
		"small headers":            {only(func(r *http.Request) bool { return len(r.Header.Get("Cookie")) > 1000 }, respond(400, "text/html", "<h1>400 Bad Request</h1> Request Header Or Cookie Too Large")), "size", Warning, "small-request-headers", "It answers 400"},
		"few headers":              {only(func(r *http.Request) bool { return len(r.Header.Get("Cookie")) > 1000 }, respond(431, "text/html", "")), "size", Warning, "small-request-headers", "It answers 431"},
		"a page as script":         {only(under(pluginScript), respond(200, "application/javascript", "<!doctype html><title>heartbeat</title>")), "script", Warning, "old-drop-in", "no script"},
		"an old script":            {only(under(pluginScript), respond(200, "application/javascript", "heartbeat()")), "script", Warning, "old-drop-in", "?ver="},
		"no script":                {only(under(pluginScript), respond(404, "text/html", "")), "script", Skipped, "", "(404)"},
		"script kept out":          {only(under(pluginScript), respond(403, "text/html", "Attack detected")), "script", Failed, "firewall", "Attack detected"},
	})
}

func checkFaults(t *testing.T, n *node, faults map[string]fault) {
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := behind(t, n, c.broken).examine(t, nil)
			want(t, found, c.check, c.result, c.text)
			if name := found[c.check].Name; name != c.name {
				t.Errorf("named %q, want %q", name, c.name)
			}
			if failed := failures(found); (len(failed) > 0) != (c.result == Failed) {
				t.Errorf("failed: %v", failed)
			}
			for _, check := range []string{"api", "admin"} {
				if check != c.check && !strings.Contains(name, "future") && !strings.Contains(name, "late") {
					want(t, found, check, OK, "")
				}
			}
		})
	}
}
