package broker

import (
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// startCluster is three servers with routes between them.
func startCluster(t *testing.T) []*natsServer {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		routes = append(routes, &url.URL{Scheme: "nats-route", Host: l.Addr().String()})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var servers []*natsServer
	for i, port := range ports {
		s := &natsServer{t: t, opts: &server.Options{
			ServerName: fmt.Sprint("server-", i), Host: "127.0.0.1", Port: server.RANDOM_PORT,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}, Routes: routes,
			JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		}}
		s.start()
		t.Cleanup(s.stop)
		servers = append(servers, s)
	}
	return servers
}

// A cluster keeps three copies, and nobody leaves when the server goes that
// answers for the bucket.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	var nodes []*Broker
	var told []*diary
	for _, s := range servers {
		b := open(t, Config{URL: s.url()})
		_, d := watch(t, b, "site")
		nodes, told = append(nodes, b), append(told, d)
	}
	for i, b := range nodes {
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
	}
	for _, d := range told {
		eventually(t, "all three", func() bool { return d.heard(presence.Joined, "") == 3 })
	}
	info := streamOf(t, servers[0].url()).CachedInfo()
	if info.Config.Replicas != 3 {
		t.Errorf("%d replicas", info.Config.Replicas)
	}
	dead := int(info.Cluster.Leader[len("server-")] - '0')
	servers[dead].stop() // its node finds another, perhaps before anybody could ask whether it is ready
	for i, b := range nodes {
		if i == dead {
			continue
		}
		b.Hold(page("r", fmt.Sprint("new-", i), "a"), at(1, "x"))
	}
	for i, d := range told {
		if i != dead {
			eventually(t, "two more", func() bool { return d.heard(presence.Joined, "") == 5 })
		}
		if d.heard(presence.Left, "") > 0 {
			t.Errorf("told by node %d: %s", i, d)
		}
	}
	eventually(t, "the node without a server finds another", func() bool { return told[dead].heard(presence.Joined, "") == 5 })
	if told[dead].heard(presence.Left, "") > 0 {
		t.Errorf("told by the node without a server: %s", told[dead])
	}
}
