package broker

import (
	"fmt"
	"net"
	"net/url"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// startCluster starts a cluster of three servers, with other options.
func startCluster(t *testing.T, configure ...func(i int, o *server.Options)) []*natsServer {
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
		for _, f := range configure {
			f(i, s.opts)
		}
		s.start()
		t.Cleanup(s.stop)
		servers = append(servers, s)
	}
	return servers
}

// TestCluster checks that the bucket has three replicas, and that no entry leaves when the
// leader of its stream is stopped.
func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t)
	var nodes []*Broker
	var reported []*changeRecorder
	for _, s := range servers {
		b := open(t, Config{URL: s.url()})
		_, d := watch(t, b, "site")
		nodes, reported = append(nodes, b), append(reported, d)
	}
	for i, b := range nodes {
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, "x"))
	}
	for _, d := range reported {
		eventually(t, "all three entries", func() bool { return d.count(presence.Joined, "") == 3 })
	}
	info := streamOf(t, servers[0].url()).CachedInfo()
	if info.Config.Replicas != 3 {
		t.Errorf("%d replicas", info.Config.Replicas)
	}
	dead := int(info.Cluster.Leader[len("server-")] - '0')
	servers[dead].stop() // its node connects to another server, perhaps so fast that Ready never shows it
	for i, b := range nodes {
		if i == dead {
			continue
		}
		b.Hold(page("r", fmt.Sprint("new-", i), "a"), at(1, "x"))
	}
	for i, d := range reported {
		if i != dead {
			eventually(t, "two new entries", func() bool { return d.count(presence.Joined, "") == 5 })
		}
		if d.count(presence.Left, "") > 0 {
			t.Errorf("changes on node %d: %s", i, d)
		}
	}
	eventually(t, "two new entries on the node whose server was stopped", func() bool { return reported[dead].count(presence.Joined, "") == 5 })
	if reported[dead].count(presence.Left, "") > 0 {
		t.Errorf("changes on the node whose server was stopped: %s", reported[dead])
	}
}
