//go:build linux

package main

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

const ajaxPath = wordpress.AjaxPath

var cookieID = ticket.CookieID(cookie)

// apiCalls are valid calls of the API.
var apiCalls = []struct{ method, path, query, body string }{
	{"POST", "/push", "", `{"to":{"room":"postType/post:42"},"data":{"a":[1,2,{"b":null}]}}`},
	{"POST", "/push", "", `{"to":{"user":1000},"data":"text"}`},
	{"POST", "/push", "", `{"to":{"can":"edit_posts"},"data":1.5}`},
	{"POST", "/nudge", "", `{"to":{"all":true},"spread_ms":2000,"paced":true}`},
	{"POST", "/answer", "", `{"to":{"user":1000},"handle":"stock","value":{"left":3},"ttl":5}`},
	{"POST", "/answer", "", `{"to":{"all":true},"handle":"stock","value":null,"ttl":1}`},
	{"POST", "/cron", "", `{"at":1790000000}`},
	{"POST", "/revoke", "", `{"user":999,"sid":"` + strings.Repeat("ab", 32) + `","until_ms":1000}`},
	{"POST", "/revoke", "", `{"room":"postType/post:43"}`},
	{"POST", "/presence/changed", "", `{"rooms":[{"room":"admin/online","state":"1","members":"2","expires":1790000000,"forced":true}],"beat":true}`},
	{"GET", "/status", "", ""},
	{"GET", "/presence", "room=shop%2Forders&per_page=10&page=1&user_id=7", ""},
	{"GET", "/presence", "prefix=shop%2F", ""},
	{"PUT", "/presence", "", `{"room":"shop/orders","client_id":"user-7","conn":"poll","user_id":7,"display_name":"Seven","avatar_url":"https://example.org/7.png","data":{"screen":"orders","a":{"b":[1]}},"expires_in":5}`},
	{"PUT", "/presence", "", `{"room":"postType/post:42","client_id":"bot","user_id":0,"data":{},"post_title":"A \"title\"","date_gmt":"2026-11-23 05:20:00"}`},
	{"DELETE", "/presence", "room=shop%2Forders&client_id=user-7&user_id=7&conn=poll", ""},
	{"DELETE", "/presence", "user_id=7", ""},
}

// tryAPI sends a mutated call with a valid key of the shop.
func (c *client) tryAPI() {
	key, err := ticket.SignKey(shop, shopSecret, ticket.ForAPI, time.Now())
	if err != nil {
		panic(err) // no claim can fail
	}
	c.call(key, true)
}

// tryKey sends a call with a mutated key.
func (c *client) tryKey() { c.call(c.apiKey(), c.chance(3)) }

func (c *client) call(key string, mutated bool) {
	call := pick(c.source, apiCalls)
	r := request{method: call.method, path: "/api/v1" + call.path, query: call.query, header: []string{jsonType, "Authorization: Bearer " + key}}
	if call.body != "" {
		r.body = []byte(call.body)
	}
	if mutated {
		r.body, r.query = c.mutateJSON(r.body), c.mutateText(r.query)
	}
	if key == operatorKey {
		r.query += "&site=" + shop
		if len(r.body) > 1 {
			r.body = append([]byte(`{"site":"`+shop+`",`), r.body[1:]...)
		}
	}
	c.send(c.admin, c.write(r))
}

// mutateJSON replaces a member of an object, or mutates the bytes.
func (c *client) mutateJSON(b []byte) []byte {
	var members map[string]json.RawMessage
	if c.chance(2) || json.Unmarshal(b, &members) != nil || len(members) == 0 {
		return c.mutate(b)
	}
	name := pick(c.source, sortedKeys(members))
	members[name] = json.RawMessage(pick(c.source, values))
	if c.chance(3) {
		members[pick(c.source, []string{"site", "to", "all", "data", "user_id", "expires_in", "x"})] = json.RawMessage(pick(c.source, values))
	}
	delete(members, "all") // it would revoke every ticket of the site
	b, _ = json.Marshal(members)
	return b
}

func (c *client) tryAdmin() {
	path := pick(c.source, []string{"/healthz", "/readyz", "/metrics", "/", "/api/v1/", "/api/v1/unknown", "/debug/pprof/"})
	r := request{method: "GET", path: path, header: []string{c.mutateText(pick(c.source, headers))}}
	c.send(c.admin, c.write(r))
}
