// Package console is the live console: a page that shows what a node does. The page reads the metrics
// and calls the API, which ask for the operator's key; what this package serves is the same for everybody.
package console

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/heartbeatd/heartbeatd/server/uplot"
)

//go:embed page
var files embed.FS

// policy allows the page its own scripts and styles, and requests to its own host only.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page at / and its files beside it.
func Handler() http.Handler {
	page, err := fs.Sub(files, "page")
	if err != nil {
		panic(err) // the folder is embedded
	}
	serve, serveUPlot := http.FileServerFS(page), http.FileServerFS(uplot.Files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		if !utf8.ValidString(r.URL.Path) { // an error of package fs, which the file server answers with 500
			http.NotFound(w, r)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/uplot") {
			serveUPlot.ServeHTTP(w, r)
			return
		}
		serve.ServeHTTP(w, r)
	})
}
