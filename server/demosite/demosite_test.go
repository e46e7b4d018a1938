package demosite

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/internal/leaktest"
	"github.com/heartbeatd/heartbeatd/server/hook"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestMain fails if a test leaves a goroutine running.
func TestMain(m *testing.M) { leaktest.Main(m) }

// TestLoginFor checks which user a request with the cookies of several users has.
func TestLoginFor(t *testing.T) {
	d, now := New([]byte("a key for tests")), time.Now()
	alice, ed := d.LoginOf(1), d.LoginOf(2)
	forged := ed.cookie(now)
	forged.Value += "0"
	for name, c := range map[string]struct {
		cookies []*http.Cookie
		nonce   string
		want    string
	}{
		"no cookie":              {nil, "", ""},
		"one user":               {[]*http.Cookie{ed.cookie(now)}, "", "editor"},
		"two users":              {[]*http.Cookie{alice.cookie(now), ed.cookie(now)}, "", "admin"},
		"the nonce of the other": {[]*http.Cookie{alice.cookie(now), ed.cookie(now)}, ed.Nonce("heartbeat-nonce", now), "editor"},
		"a forged cookie":        {[]*http.Cookie{forged}, "", ""},
		"an expired cookie":      {[]*http.Cookie{ed.cookie(now.Add(-15 * 24 * time.Hour))}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, wordpress.AjaxPath, nil)
			for _, cookie := range c.cookies {
				r.AddCookie(cookie)
			}
			call := &hook.Call{Post: wordpress.NewArray(), Now: now}
			call.Post.Set("_nonce", c.nonce)
			login, got := d.LoginFor(r, call), ""
			if login.user != nil {
				got = login.user.Login
			}
			if got != c.want || (login.User() == nil) != (c.want == "") {
				t.Errorf("the user is %q, want %q", got, c.want)
			}
		})
	}
}

// TestKey checks that the key is stored and used again.
func TestKey(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	log := slog.New(slog.DiscardHandler)
	if first, second := Key(log), Key(log); len(first) == 0 || string(first) != string(second) {
		t.Errorf("the keys are %d and %d bytes, and differ", len(first), len(second))
	}
}

// TestFiles asks for the pages of all users and each file that they and their scripts name, and checks
// that the pages have no script or style of their own, which the policy forbids.
func TestFiles(t *testing.T) {
	d, r := New([]byte("a key for tests")), mux.NewRouter()
	d.AddHooks(new(hook.Hooks))
	d.AddRoutes(r, Node{BasePath: "/heartbeat", Logger: slog.New(slog.DiscardHandler)})
	get := func(path string) string {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
		return w.Body.String()
	}
	for _, u := range users {
		page := get("/?user=" + strconv.FormatInt(u.ID, 10))
		for _, m := range regexp.MustCompile(`(?:src|href)="(/demo/[^"]+)"`).FindAllStringSubmatch(page, -1) {
			for _, i := range regexp.MustCompile(`from '\.(/[a-z]+\.js)'`).FindAllStringSubmatch(get(m[1]), -1) {
				if !strings.Contains(page, `<link rel="modulepreload" href="/demo`+i[1]+`">`) {
					t.Errorf("the page does not preload %s", i[1])
				}
			}
		}
		if inline := regexp.MustCompile(`<style|<script>| on[a-z]+=| style=`).FindString(page); inline != "" {
			t.Errorf("the page of %s has %s", u.Name, inline)
		}
		if got := strings.Contains(page, `id="online"`); got != u.canEditPosts() {
			t.Errorf("%s: the list of users online is %v", u.Name, got)
		}
	}
}
