// Command tenants has one site of a heartbeatd use as much as it can, beside 99 quiet ones, and
// prints what the quiet ones notice and how much memory it takes.
//
//	go build -o /tmp/heartbeatd ./server/heartbeatd
//	go run ./integration/tenants -binary /tmp/heartbeatd
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
)

const (
	quietSites = 99
	secret     = "the secret of all sites of this program"
	apiKey     = "the operator's key of this program"
	workers    = 16
)

// node is the heartbeatd that is measured.
type node struct {
	public, admin string
	cmd           *exec.Cmd
}

func main() {
	binary := flag.String("binary", "heartbeatd", "the program `heartbeatd` to measure")
	flag.Parse()
	n, err := start(*binary)
	if err == nil {
		err = n.attack()
		n.stop()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// attack makes the calls of the noisy site, and after each kind checks the quiet ones.
func (n *node) attack() error {
	fmt.Printf("at the start: %d MB\n", n.memory())
	n.quiet()
	cursor, _, err := n.open("quiet0", "")
	if err != nil {
		return err
	}
	n.call("POST", "/push", map[string]any{"site": "quiet0", "to": map[string]any{"all": true}, "data": "kept"})
	n.noisy("pushes of 60 KB", 1500, func(int) (string, string, any) {
		return "POST", "/push", map[string]any{"site": "noisy", "to": map[string]any{"all": true}, "data": strings.Repeat("x", 60<<10)}
	})
	_, frames, err := n.open("quiet0", cursor)
	if err != nil {
		return err
	}
	fmt.Printf("  a page of a quiet site that reconnects gets its push: %v\n", strings.Contains(frames, `"kept"`))
	n.noisy("small entries", 120_000, func(i int) (string, string, any) { return "PUT", "/presence", entry("noisy", i+100, "") })
	n.quiet()
	n.noisy("entries of 10 KB", 60_000, func(i int) (string, string, any) {
		return "PUT", "/presence", entry("noisy", i+100, strings.Repeat("x", 10_000))
	})
	n.quiet()
	return nil
}

// entry returns the body that writes the entry of a user.
func entry(site string, user int, text string) map[string]any {
	return map[string]any{"site": site, "room": "admin/online", "client_id": fmt.Sprint("user-", user), "user_id": user, "data": map[string]string{"text": text}}
}

// start starts heartbeatd with a noisy site and the quiet ones.
func start(binary string) (*node, error) {
	type site struct {
		ID      string   `json:"id"`
		Secrets []string `json:"secrets"`
	}
	sites := []site{{"noisy", []string{secret}}}
	for i := range quietSites {
		sites = append(sites, site{fmt.Sprint("quiet", i), []string{secret}})
	}
	list, err := json.Marshal(sites)
	if err != nil {
		return nil, err
	}
	n := &node{public: freeAddress(), admin: freeAddress()}
	n.cmd = exec.Command(binary, "--listen", n.public, "--admin-listen", n.admin, "--api-key", apiKey, "--sites", string(list), "--presence-ttl", "10m")
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	for range 300 {
		if r, err := http.Get("http://" + n.admin + "/readyz"); err == nil {
			_ = r.Body.Close()
			return n, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	n.stop()
	return nil, fmt.Errorf("%s does not start", binary)
}

func (n *node) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	_ = n.cmd.Wait()
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// memory returns the resident memory of heartbeatd in MB.
func (n *node) memory() (kb int) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	_, _ = fmt.Sscan(rest, &kb)
	return kb / 1000
}

var client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}

// call calls the API, and returns the status and the body of the answer.
func (n *node) call(method, path string, body any) (int, string) {
	b, err := json.Marshal(body)
	if err != nil {
		log.Fatal(err)
	}
	r, err := http.NewRequest(method, "http://"+n.admin+"/api/v1"+path, bytes.NewReader(b))
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+apiKey)
	answer, err := client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// noisy makes up to most calls of the noisy site for at most 45 s, and prints the answers.
func (n *node) noisy(what string, most int, request func(i int) (method, path string, body any)) {
	var next, accepted, refused atomic.Int64
	var last atomic.Value
	var all sync.WaitGroup
	end := time.Now().Add(45 * time.Second)
	for range workers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= most && time.Now().Before(end) && refused.Load() < 2000; i = int(next.Add(1)) {
				if status, text := n.call(request(i)); status >= 200 && status < 300 {
					accepted.Add(1)
				} else {
					refused.Add(1)
					last.Store(fmt.Sprint(status, " ", strings.TrimSpace(text)))
				}
			}
		})
	}
	all.Wait()
	fmt.Printf("%s: %d accepted, %d refused (%v), %d MB\n", what, accepted.Load(), refused.Load(), last.Load(), n.memory())
}

// quiet writes an entry of each quiet site, and prints for how many it is shown.
func (n *node) quiet() {
	shown, slowest := 0, time.Duration(0)
	for i := range quietSites {
		site, began := fmt.Sprint("quiet", i), time.Now()
		user := int(began.UnixNano()%1e9) + 10
		status, _ := n.call("PUT", "/presence", entry(site, user, ""))
		slowest = max(slowest, time.Since(began))
		if _, list := n.call("GET", "/presence?room=admin/online&site="+site, nil); status == 200 && strings.Contains(list, fmt.Sprintf(`"user-%d"`, user)) {
			shown++
		}
	}
	fmt.Printf("  a new user is shown on %d of %d quiet sites, after at most %v\n", shown, quietSites, slowest.Round(time.Millisecond))
}

// open opens a page over long-poll. It returns the cursor of the welcome and the first frames.
func (n *node) open(site, after string) (cursor, frames string, err error) {
	claims := ticket.Claims{SID: strings.Repeat("0", 64), Nonce: "n", Can: []string{"edit_posts"}}
	claims.RegisteredClaims = jwt.RegisteredClaims{Subject: "7"}
	signed, err := ticket.Sign(site, secret, claims, time.Now())
	if err != nil {
		return "", "", err
	}
	hello, err := json.Marshal(map[string]string{"type": "hello", "ticket": signed, "conn": "connection" + after[:min(1, len(after))], "after": after})
	if err != nil {
		return "", "", err
	}
	r, err := client.Post("http://"+n.public+"/heartbeat/open", "application/json", bytes.NewReader(hello))
	if err != nil {
		return "", "", err
	}
	defer func() { _ = r.Body.Close() }()
	var welcome struct{ Session, Cursor string }
	if err := json.NewDecoder(r.Body).Decode(&welcome); err != nil || welcome.Session == "" {
		return "", "", fmt.Errorf("no welcome, status %d: %w", r.StatusCode, err)
	}
	poll, err := http.NewRequest("GET", "http://"+n.public+"/heartbeat/poll?after=0", nil)
	if err != nil {
		return "", "", err
	}
	poll.Header.Set("Heartbeat-Session", welcome.Session)
	first, err := client.Do(poll)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = first.Body.Close() }()
	text, err := io.ReadAll(first.Body)
	return welcome.Cursor, string(text), err
}
