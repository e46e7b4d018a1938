package demosite

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/server/uplot"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

//go:embed page
var files embed.FS

var pageTemplate = template.Must(template.ParseFS(files, "page/page.html"))

// interval is the time between the beats of a page, in seconds.
const interval = 15

// Settings is what a page of the demo site has as heartbeatSettings.
type Settings struct {
	AjaxURL    string       `json:"ajaxurl"`
	Nonce      string       `json:"nonce"`
	Interval   int          `json:"interval"`
	ScreenID   string       `json:"screenId"`
	Heartbeatd LinkSettings `json:"heartbeatd"`
}

// LinkSettings are the settings of the link to heartbeatd.
type LinkSettings struct {
	URL    string `json:"url"`
	Ticket string `json:"ticket"`
}

// Node is the node that serves the demo site.
type Node struct {
	BasePath string // of the transports
	Logger   *slog.Logger
	// View returns the live view of the demo site.
	View func(ctx context.Context) (*broker.View, error)
}

// pages serves the pages of the demo site.
type pages struct {
	Node
	site *Site
}

// AddRoutes adds the routes of the demo site's pages.
func (d *Site) AddRoutes(r *mux.Router, n Node) {
	p := &pages{n, d}
	r.Methods("GET").Path("/").HandlerFunc(p.index)
	r.Methods("GET").Path("/demo/settings").HandlerFunc(p.settings)
	r.Methods("GET").Path("/demo/avatar/{id:[1-9]}.svg").HandlerFunc(avatar)
	r.Methods("GET").Path("/demo/{file:uplot\\.(?:css|js)}").HandlerFunc(serve(uplot.Files, "."))
	r.Methods("GET").Path("/demo/{file:[a-z]+\\.(?:css|js)}").HandlerFunc(serve(files, "page"))
}

// serve serves the files of a folder.
func serve(files fs.FS, folder string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeFileFS(w, r, files, path.Join(folder, mux.Vars(r)["file"]))
	}
}

// settings answers with the heartbeatSettings of a user's page, and logs the user in.
func (p *pages) settings(w http.ResponseWriter, r *http.Request) {
	l := p.logIn(w, r)
	if l == nil {
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_ = json.NewEncoder(w).Encode(p.settingsOf(l, screenOf(r)))
}

// logIn logs in the user that a request names. If there is no such user, it answers the
// request and returns nil.
func (p *pages) logIn(w http.ResponseWriter, r *http.Request) *Login {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	id, err := strconv.ParseInt(r.URL.Query().Get("user"), 10, 64)
	if err != nil || userByID(id) == nil {
		http.Error(w, fmt.Sprintf("user must be 1 to %d", len(users)), http.StatusBadRequest)
		return nil
	}
	l := p.site.LoginOf(id)
	http.SetCookie(w, l.cookie(time.Now()))
	return l
}

// screenOf returns the screen that a request names, by itself or by its post.
func screenOf(r *http.Request) screen {
	want := r.URL.Query().Get("screen")
	for _, s := range screens {
		if s.ID == want {
			return s
		}
	}
	if p := postOf(r); p != nil {
		return screen{p.Type, "Edit " + p.Title}
	}
	return screens[0]
}

func postOf(r *http.Request) *post {
	for i, p := range posts {
		if strconv.FormatInt(p.ID, 10) == r.URL.Query().Get("post") {
			return &posts[i]
		}
	}
	return nil
}

func (p *pages) settingsOf(l *Login, s screen) Settings {
	now := time.Now()
	return Settings{
		AjaxURL: wordpress.AjaxPath, Nonce: l.Nonce("heartbeat-nonce", now), Interval: interval, ScreenID: s.ID,
		Heartbeatd: LinkSettings{URL: p.BasePath, Ticket: l.Ticket(s.ID, now)},
	}
}

// index serves the page. A request that names no user gets the first one that is not
// online, so that two windows are two users.
func (p *pages) index(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("user") == "" {
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, fmt.Sprintf("/?user=%d", p.absentUser(r.Context())), http.StatusFound)
		return
	}
	l := p.logIn(w, r)
	if l == nil {
		return
	}
	s := screenOf(r)
	w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'self'")
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	err := pageTemplate.Execute(w, map[string]any{
		"User": l.user, "SeesPeople": l.user.canEditPosts(), "Users": users, "Screens": screens, "Posts": posts,
		"Screen": s, "Post": postOf(r), "Base": p.BasePath,
		"Settings": p.settingsOf(l, s),
	})
	if err != nil {
		p.Logger.Warn("writing the demo page failed", "error", err)
	}
}

// absentUser returns the first user who may be online and is not.
func (p *pages) absentUser(ctx context.Context) int64 {
	online := make(map[int64]bool)
	if view, err := p.View(ctx); err == nil {
		view.Room(wordpress.AdminRoom, func(entries []presence.Entry, _ int) {
			for _, e := range entries {
				online[e.UserID] = true
			}
		})
	}
	for _, u := range users {
		if u.canEditPosts() && !online[u.ID] {
			return u.ID
		}
	}
	return users[0].ID
}

// avatar draws the initial of a user.
func avatar(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.Atoi(mux.Vars(r)["id"]) // the route matches digits only
	if id > len(users) {
		http.NotFound(w, r)
		return
	}
	colours := []string{"#2271b1", "#8c5e2a", "#3c7d3c", "#7a4b94", "#666666"}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" fill="%s"/><text x="20" y="27" text-anchor="middle" font-family="sans-serif" font-size="20" fill="#fff">%c</text></svg>`,
		colours[id-1], users[id-1].Name[0])
}
