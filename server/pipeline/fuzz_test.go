package pipeline

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// entries checks the entries that a beat writes.
type entries struct {
	t    *testing.T
	user *hook.User
}

func (e entries) Enter(room, clientID string, data []byte) {
	var object map[string]any
	if json.Unmarshal(data, &object) != nil || len(data) > hook.MaxData {
		e.t.Errorf("the entry in %q has the data %q", room, data)
	}
	if !strings.HasSuffix(clientID, "-"+strconv.FormatInt(e.user.ID, 10)) || !utf8.ValidString(room) {
		e.t.Errorf("an entry of another: %q in %q", clientID, room)
	}
}

func (e entries) Room(string) ([]presence.Entry, int, error) { return nil, 0, nil }

func (e entries) Online() (wordpress.Encoded, int, int, error) {
	return wordpress.Encoded("[]"), 0, 0, nil
}

func (e entries) ActivePosts() []hook.ActivePost { return nil }

type anyNonce struct{}

func (anyNonce) VerifyNonce(string, string, time.Time) int { return 1 }

// FuzzBeat answers any beat. Its entries are of its user and small enough, and its tick is JSON.
func FuzzBeat(f *testing.F) {
	const usual = "&interval=60&_nonce=x&action=heartbeat&screen_id=post&has_focus=true"
	for _, body := range []string{
		"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&data%5Bpresence-ping%5D%5Btitle%5D=%3Cb%3Ea", "data%5Bpresence-ping%5D=5", "data%5Bpresence-ping%5D%5Bpost_id%5D=9223372036854775808",
		"data%5Bpresence-editor-ping%5D%5Bpost_id%5D=42", "data%5Bpresence-editor-ping%5D%5B%5D=42", "data%5Bwp-refresh-post-lock%5D%5Bpost_id%5D=42", "data=x", "data%5Bpresence-ping%5D%5Bscreen%5D=" + strings.Repeat("%FF", 500),
	} {
		f.Add([]byte(body + usual))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		user := &hook.User{ID: 7, Name: "Ada", EditPosts: true, Rooms: []string{"postType/post:42"}, Post: &wordpress.Post{ID: 42, Type: "post"}}
		form := wordpress.ParseForm(body)
		c := &hook.Call{User: user, Post: form, Query: wordpress.NewArray(), Data: wordpress.ArrayOf(form.Get("data")), Screen: "post", Now: time.Now(), Nonces: anyNonce{}, Presence: entries{t, user}}
		var hooks hook.Hooks
		if tick := New(&hooks).Answer(c); tick.Status == 200 && !json.Valid(tick.Body) {
			t.Errorf("%q: the tick is %q", body, tick.Body)
		}
		Ping(c)
	})
}
