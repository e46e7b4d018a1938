package server

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

//go:embed demo
var demoFiles embed.FS

var demoPage = template.Must(template.ParseFS(demoFiles, "demo/page.html"))

// demoInterval is how often the demo's pages beat, in seconds.
const demoInterval = 15

// demoSettings is what a page of the demo site carries as heartbeatSettings.
type demoSettings struct {
	AjaxURL    string       `json:"ajaxurl"`
	Nonce      string       `json:"nonce"`
	Interval   int          `json:"interval"`
	ScreenID   string       `json:"screenId"`
	Heartbeatd demoLinkInfo `json:"heartbeatd"`
}

type demoLinkInfo struct {
	URL    string `json:"url"`
	Ticket string `json:"ticket"`
}

func (s *Server) routeDemo(r *mux.Router) {
	r.Methods("GET").Path("/").HandlerFunc(s.demoIndex)
	r.Methods("GET").Path("/demo/settings").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l := s.demoUser(w, r)
		if l == nil {
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		_ = json.NewEncoder(w).Encode(s.demoSettings(l, demoScreenOf(r)))
	})
	r.Methods("GET").Path("/demo/avatar/{id:[1-9]}.svg").HandlerFunc(demoAvatar)
	r.Methods("GET").Path("/demo/{file:page\\.css|page\\.js|settings\\.js|jquery\\.js}").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, demoFiles, "demo/"+mux.Vars(r)["file"])
	})
}

// demoUser logs in the user that a request names, and answers itself when
// there is no such user.
func (s *Server) demoUser(w http.ResponseWriter, r *http.Request) *demoLogin {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	id, err := strconv.ParseInt(r.URL.Query().Get("user"), 10, 64)
	i := slices.IndexFunc(demoUsers, func(u DemoUser) bool { return u.ID == id })
	if err != nil || i < 0 {
		http.Error(w, fmt.Sprintf("user must be 1 to %d", len(demoUsers)), http.StatusBadRequest)
		return nil
	}
	l := s.demo.loginOf(&demoUsers[i])
	http.SetCookie(w, l.cookie(time.Now()))
	return l
}

// demoScreenOf reads which screen a request is about.
func demoScreenOf(r *http.Request) demoScreen {
	want := r.URL.Query().Get("screen")
	for _, sc := range demoScreens {
		if sc.ID == want {
			return sc
		}
	}
	if p := demoPostOf(r); p != nil {
		return demoScreen{p.Type, "Edit " + p.Title}
	}
	return demoScreens[0]
}

func demoPostOf(r *http.Request) *demoPost {
	for i, p := range demoPosts {
		if strconv.FormatInt(p.ID, 10) == r.URL.Query().Get("post") {
			return &demoPosts[i]
		}
	}
	return nil
}

func (s *Server) demoSettings(l *demoLogin, screen demoScreen) demoSettings {
	now := time.Now()
	return demoSettings{
		AjaxURL: AjaxPath, Nonce: l.nonce("heartbeat-nonce", now), Interval: demoInterval, ScreenID: screen.ID,
		Heartbeatd: demoLinkInfo{URL: s.base, Ticket: l.ticket(screen.ID, now)},
	}
}

// demoIndex shows the page. A window that names no user becomes the first one
// who is not there yet, so that two windows are two people.
func (s *Server) demoIndex(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("user") == "" {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, fmt.Sprintf("/?user=%d", s.demoAbsentee(r.Context())), http.StatusFound)
		return
	}
	l := s.demoUser(w, r)
	if l == nil {
		return
	}
	screen := demoScreenOf(r)
	w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'self'")
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	err := demoPage.Execute(w, map[string]any{
		"User": l.who, "Users": demoUsers, "Screens": demoScreens, "Posts": demoPosts,
		"Screen": screen, "Post": demoPostOf(r), "Base": s.base,
		"Settings": s.demoSettings(l, screen),
	})
	if err != nil {
		s.log.Warn("the demo page broke off", "error", err)
	}
}

// demoAbsentee is the first user who may be online and is not.
func (s *Server) demoAbsentee(ctx context.Context) int64 {
	there := make(map[int64]bool)
	if view, err := s.sites[demoSite].watch(ctx); err == nil {
		view.Room(wordpress.AdminRoom, func(entries []broker.Entry, _ int) {
			for _, e := range entries {
				there[e.UserID] = true
			}
		})
	}
	for _, u := range demoUsers {
		if u.editsPosts() && !there[u.ID] {
			return u.ID
		}
	}
	return demoUsers[0].ID
}

// demoAvatar draws a user's initial.
func demoAvatar(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(mux.Vars(r)["id"]) // the route matches digits only
	if id > len(demoUsers) {
		http.NotFound(w, r)
		return
	}
	colours := []string{"#2271b1", "#8c5e2a", "#3c7d3c", "#7a4b94", "#666666"}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="%s"/><text x="20" y="27" text-anchor="middle" font-family="sans-serif" font-size="20" fill="#fff">%c</text></svg>`,
		colours[id-1], demoUsers[id-1].Name[0])
}
