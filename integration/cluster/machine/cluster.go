//go:build linux

package machine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/problem"
)

const (
	natsPort, routePort    = 4222, 6222
	publicPort, adminPort  = 8080, 8081
	firstNode, firstServer = 11, 21
	// readyWait is how long a node or a server may take to be ready.
	readyWait = 60 * time.Second
)

// APIKey is the operator's key of all nodes.
const APIKey = "the operator's key of a cluster for tests"

// Site is a site of all nodes.
type Site struct {
	ID      string   `json:"id"`
	Secrets []string `json:"secrets"`
}

// Server is one nats-server.
type Server struct {
	*Process
	*Host
	URL   string
	store string
}

// StartNATS starts a cluster of servers with their stores in a folder.
func StartNATS(program, dir, logs string, n int) (servers []*Server, err error) {
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("nats://%s%d:%d", subnets[Route], firstServer+i, routePort))
	}
	for i := range n {
		host, err := NewHost(firstServer+i, Back, Route)
		if err != nil {
			return servers, err
		}
		s := &Server{Host: host, store: filepath.Join(dir, fmt.Sprintf("nats%d", i))}
		s.URL = fmt.Sprintf("nats://%s:%d", host.Address(Back), natsPort)
		s.Process, err = NewProcess(fmt.Sprintf("nats%d", i), host, logs, program,
			"--addr", host.Address(Back), "--port", fmt.Sprint(natsPort), "--server_name", fmt.Sprintf("n%d", i),
			"--jetstream", "--store_dir", s.store, "--cluster_name", "faults", "--http_port", "8222",
			"--cluster", fmt.Sprintf("nats://%s:%d", host.Address(Route), routePort), "--routes", strings.Join(routes, ","))
		if err != nil {
			return servers, err
		}
		if err := s.Start(); err != nil {
			return servers, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// Wipe removes the store of a server that has ended.
func (s *Server) Wipe() error { return os.RemoveAll(s.store) }

// Leads reports whether the server is the leader of a stream.
func (s *Server) Leads(stream string) bool {
	var answer struct {
		Accounts []struct {
			Streams []struct {
				Name    string
				Cluster struct{ Leader string }
			} `json:"stream_detail"`
		} `json:"account_details"`
		Name string `json:"server_name"`
	}
	r, err := (&http.Client{Timeout: time.Second}).Get(fmt.Sprintf("http://%s:8222/jsz?streams=true", s.Address(Back)))
	if err != nil {
		return false
	}
	defer func() { _ = r.Body.Close() }()
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return false
	}
	for _, account := range answer.Accounts {
		for _, found := range account.Streams {
			if found.Name == stream && found.Cluster.Leader == s.Name[len(s.Name)-2:] {
				return true
			}
		}
	}
	return false
}

// Node is one heartbeatd.
type Node struct {
	*Process
	*Host
	Public, Admin string // addresses
}

// StartNode starts the ith node. ttl is its --presence-ttl.
func StartNode(i int, program, dir, logs string, servers []*Server, ttl time.Duration, sites []Site) (*Node, error) {
	host, err := NewHost(firstNode+i, Front, Back)
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, s := range servers {
		urls = append(urls, s.URL)
	}
	config := filepath.Join(dir, "sites.json")
	list, err := json.Marshal(map[string]any{"sites": sites})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, list, 0o600); err != nil {
		return nil, err
	}
	n := &Node{Host: host}
	n.Public, n.Admin = fmt.Sprintf("%s:%d", host.Address(Front), publicPort), fmt.Sprintf("%s:%d", host.Address(Front), adminPort)
	n.Process, err = NewProcess(fmt.Sprintf("node%d", i), host, logs, program, "--config", config, "serve",
		"--listen", n.Public, "--admin-listen", n.Admin, "--nats-url", strings.Join(urls, ","),
		"--presence-ttl", ttl.String(), "--api-key", APIKey, "--trusted-proxy", Own+"/32")
	if err != nil {
		return nil, err
	}
	return n, n.Start()
}

// Ready returns the status of /readyz, 0 if there is no answer, and the names of the parts that do not work.
func (n *Node) Ready() (status int, broken []string) {
	r, err := (&http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + n.Admin + "/readyz")
	if err != nil {
		return 0, nil
	}
	defer func() { _ = r.Body.Close() }()
	var answer struct{ Reasons []problem.Problem }
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return 0, nil
	}
	for _, p := range answer.Reasons {
		broken = append(broken, p.Name)
	}
	return r.StatusCode, broken
}

// WaitReady waits until the node is ready.
func (n *Node) WaitReady() error {
	for deadline := time.Now().Add(readyWait); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if status, _ := n.Ready(); status == http.StatusOK {
			return nil
		}
		if n.HasEnded() {
			break
		}
	}
	return fmt.Errorf("%s is not ready: %s", n.Name, n.Log())
}
