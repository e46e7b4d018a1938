package doctor

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// requestTimeout is how long one request may take.
	requestTimeout = 10 * time.Second
	// maxAnswer is the maximum number of bytes of an answer that are read.
	maxAnswer = 1 << 20
	// userAgent is that of a browser, with our name: some firewalls refuse programs that they
	// do not know.
	userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 heartbeatd-doctor"
	formType  = "application/x-www-form-urlencoded; charset=UTF-8"
	jsonType  = "application/json"
)

// answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// newRequest returns a request as a page of the site sends it, with the given headers added.
func (d *checkup) newRequest(ctx context.Context, method, url, body string, header map[string]string) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	d.addBrowserHeaders(r.Header, r.URL.Host)
	if method != http.MethodGet || !d.isSameOrigin() {
		r.Header.Set("Origin", d.origin)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r, nil
}

// addBrowserHeaders adds what browsers send with the requests of the drop-in, which go past their
// caches.
func (d *checkup) addBrowserHeaders(h http.Header, host string) {
	h.Set("User-Agent", userAgent)
	h.Set("Accept", "*/*")
	h.Set("Accept-Language", "en-US,en;q=0.5")
	h.Set("Cache-Control", "no-cache")
	h.Set("Pragma", "no-cache")
	if host == d.site.Host {
		h.Set("Referer", d.site.String()+"/wp-admin/")
		h.Set("Sec-Fetch-Dest", "empty")
		h.Set("Sec-Fetch-Mode", "cors")
		h.Set("Sec-Fetch-Site", "same-origin")
	} else {
		h.Set("Referer", d.origin+"/")
	}
	if user := d.users[host]; user != nil {
		password, _ := user.Password()
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
}

// send sends one request, and reads the answer. ctx limits its time.
func (d *checkup) send(ctx context.Context, method, url, body string, header map[string]string) (*answer, error) {
	r, err := d.newRequest(ctx, method, url, body, header)
	if err != nil {
		return nil, err
	}
	return do(d.http, r)
}

// do sends a request and reads the beginning of the answer.
func do(client *http.Client, r *http.Request) (*answer, error) {
	started := time.Now()
	got, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = got.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(got.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer ended early: %w", err)
	}
	return &answer{got.StatusCode, got.Header, string(b), time.Since(started)}, nil
}

// sendTimed is send with the usual time limit.
func (d *checkup) sendTimed(ctx context.Context, method, url, body string, header map[string]string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.send(ctx, method, url, body, header)
}

// url returns the URL of one of heartbeatd's public paths.
func (d *checkup) url(path string) string { return d.base.String() + path }

// urlWith returns the URL of a path for a request of its own: a page gives each an id, which the
// answer names, too.
func (d *checkup) urlWith(path string, id int64, query ...string) string {
	query = append(query, "id="+strconv.FormatInt(id, 10))
	return d.url(path) + "?" + strings.Join(query, "&")
}

// excerpt returns the beginning of an answer, for a finding.
func excerpt(body string) string {
	body = strings.Join(strings.Fields(body), " ")
	if len(body) > 80 {
		body = body[:80] + "…"
	}
	return strconv.Quote(body)
}
