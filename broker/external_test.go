package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/external"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// startNATSWith starts a server with other options.
func startNATSWith(t *testing.T, configure func(*server.Options)) *natsServer {
	t.Helper()
	s := startNATS(t)
	s.stop()
	configure(s.opts)
	s.start()
	return s
}

// works checks that presence, messages and leases travel between two brokers.
func works(t *testing.T, c Config) {
	t.Helper()
	a, b := open(t, c), open(t, c)
	_, changes := watch(t, b, "site")
	k := page("r", "user-1", "a")
	a.Hold(k, at(1, "x"))
	eventually(t, "the join", func() bool { return changes.count(presence.Joined, "user-1") == 1 })
	a.Leave(k)
	eventually(t, "the leave", func() bool { return changes.count(presence.Left, "user-1") == 1 })
	for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations} {
		var received topicRecorder
		b.Subscribe(kind, nil, received.add)
		eventually(t, "the publication", func() bool { // a cluster on a busy machine needs seconds for a new stream
			_, err := a.Publish(t.Context(), kind, "site", []byte("text"))
			return err == nil
		})
		eventually(t, "the message", func() bool { return slices.Contains(received.data(), "site text") })
	}
	eventually(t, "the deposit", func() bool {
		return a.Replace(t.Context(), topic.Deposits, "site", "key", []byte("text"), inAnHour()) == nil
	})
	leased := func(b *Broker) (first bool) {
		eventually(t, "the lease", func() (known bool) {
			var err error
			first, err = b.Lease(t.Context(), "task", time.Hour)
			return err == nil
		})
		return first
	}
	if !leased(a) || leased(b) {
		t.Error("not one of two brokers has the lease")
	}
	waitProblems(t, a, "")
}

// refuses checks that Open returns an error with this text, and no secret.
func refuses(t *testing.T, c Config, text string) {
	t.Helper()
	b, err := Open(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "SUA") {
		t.Errorf("Open: %v, want an error with %q", err, text)
	}
	if err == nil {
		_ = b.Close()
	}
}

// refusesNow is refuses for a server that may close the connection before it says why: then the broker tries again, and
// reports a problem.
func refusesNow(t *testing.T, c Config, text string) {
	t.Helper()
	b, err := Open(t.Context(), c)
	if err != nil {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("Open: %v, want an error with %q", err, text)
		}
		return
	}
	defer func() { _ = b.Close() }()
	waitProblems(t, b, "nats")
}

// reports checks that a broker names presence as a problem, and this flag as its remedy.
func reports(t *testing.T, c Config, flag string) {
	t.Helper()
	b := openOffline(t, c)
	if p := waitProblems(t, b, "presence")[0]; !strings.Contains(p.Remedy, flag) {
		t.Errorf("%+v, want %s", p, flag)
	}
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// seedOf returns the seed and the public key of a pair.
func seedOf(pair nkeys.KeyPair) (seed []byte, public string) {
	return must(pair.Seed()), must(pair.PublicKey())
}

func TestNKey(t *testing.T) {
	t.Parallel()
	seed, public := seedOf(must(nkeys.CreateUser()))
	other, _ := seedOf(must(nkeys.CreateUser()))
	s := startNATSWith(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	with := func(seed []byte) Config {
		return Config{URL: s.url(), NATS: external.NATS{Access: external.Access{NKey: writeFile(t, "seed", seed)}}}
	}
	works(t, with(seed))
	refuses(t, with(other), "--nats-creds or --nats-nkey")
	refuses(t, with([]byte("nonsense")), "--nats-nkey")
}

// TestCredentials uses an account of JWTs with limits that require a limit of each stream.
func TestCredentials(t *testing.T) {
	t.Parallel()
	operator, account := must(nkeys.CreateOperator()), must(nkeys.CreateAccount())
	_, operatorKey := seedOf(operator)
	_, accountKey := seedOf(account)
	claims := jwt.NewAccountClaims(accountKey)
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: 16 << 20, DiskStorage: 16 << 20, Streams: -1, Consumer: -1, MaxBytesRequired: true}
	accountJWT := must(claims.Encode(operator))
	system := must(nkeys.CreateAccount())
	_, systemKey := seedOf(system)
	s := startNATSWith(t, func(o *server.Options) {
		resolver := &server.MemAccResolver{}
		_ = resolver.Store(accountKey, accountJWT)
		_ = resolver.Store(systemKey, must(jwt.NewAccountClaims(systemKey).Encode(operator)))
		o.TrustedKeys, o.AccountResolver, o.SystemAccount = []string{operatorKey}, resolver, systemKey
	})
	signedBy := func(account nkeys.KeyPair) string {
		seed, userKey := seedOf(must(nkeys.CreateUser()))
		return writeFile(t, "user.creds", must(jwt.FormatUserConfig(must(jwt.NewUserClaims(userKey).Encode(account)), seed)))
	}
	access := external.Access{Credentials: signedBy(account)}
	works(t, Config{URL: s.url(), NATS: external.NATS{Access: access, MaxBytes: 2 << 20}})
	refuses(t, Config{URL: s.url(), NATS: external.NATS{Access: external.Access{Credentials: signedBy(must(nkeys.CreateAccount()))}}}, "--nats-creds or --nats-nkey")
	refuses(t, Config{URL: s.url()}, "--nats-creds or --nats-nkey")
	refuses(t, Config{URL: s.url(), NATS: external.NATS{Access: external.Access{Credentials: writeFile(t, "nonsense", []byte("SUA"))}}}, "the JWT and the seed")
	reports(t, Config{URL: s.url(), NATS: external.NATS{Access: access, Prefix: "unlimited"}}, "--nats-max-bytes")
}

// certificates writes those of a CA, and of a client or server that it has signed.
func certificates(t *testing.T) external.Access {
	t.Helper()
	sign := func(serial int64, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint("test ", serial)}, NotAfter: time.Now().Add(time.Hour),
			IsCA: ca == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		if ca == nil {
			ca, caKey = template, key
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)))), key
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	ca, caKey := sign(1, nil, nil)
	leaf, key := sign(2, ca, caKey)
	return external.Access{
		CA:   writeFile(t, "ca.pem", block("CERTIFICATE", ca.Raw)),
		Cert: writeFile(t, "cert.pem", block("CERTIFICATE", leaf.Raw)),
		Key:  writeFile(t, "key.pem", block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))),
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	good, other := certificates(t), certificates(t)
	s := startNATSWith(t, func(o *server.Options) {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(must(os.ReadFile(good.CA)))
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 10
		o.TLSConfig = &tls.Config{Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(good.Cert, good.Key))}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	})
	with := func(a external.Access) Config { return Config{URL: s.url(), NATS: external.NATS{Access: a}} }
	works(t, with(good))
	refusesNow(t, with(external.Access{CA: good.CA}), "--nats-cert")
	refusesNow(t, with(external.Access{CA: good.CA, Cert: other.Cert, Key: other.Key}), "--nats-cert")
	refuses(t, with(external.Access{CA: other.CA, Cert: good.Cert, Key: good.Key}), "--nats-ca")
	refuses(t, with(external.Access{CA: good.CA, Cert: good.Cert, Key: other.Key}), "--nats-cert and --nats-key")
	refuses(t, with(external.Access{CA: good.Key}), "has no certificate")
}

// TestPrefix runs two installations in one account, and an observer of each.
func TestPrefix(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	works(t, Config{URL: s.url()})
	works(t, Config{URL: s.url(), NATS: external.NATS{Prefix: "staging"}})
	production, staging := open(t, Config{URL: s.url()}), open(t, Config{URL: s.url(), NATS: external.NATS{Prefix: "staging"}})
	_, inProduction := watch(t, production, "site")
	conn := connect(t, s.url())
	observed := observe(t, conn, bucket.Observer{Prefix: "staging"})
	other := observe(t, conn, bucket.Observer{})
	var pushed topicRecorder
	production.Subscribe(topic.Pushes, nil, pushed.add)
	for _, b := range []*Broker{staging, production} {
		if _, err := b.Publish(t.Context(), topic.Pushes, "site", []byte(b.config.NATS.Prefix)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the push of production", func() bool { return slices.Contains(pushed.data(), "site ") })
	if slices.Contains(pushed.data(), "site staging") {
		t.Error("an installation gets another's pushes")
	}
	if a, b := must(production.Last(t.Context(), topic.Pushes)), must(staging.Last(t.Context(), topic.Pushes)); a.Epoch == b.Epoch {
		t.Error("two installations have the same epoch")
	}
	staging.Hold(page("r", "user-7", "a"), at(1, "x"))
	eventually(t, "the join", func() bool { return observed.count(presence.Joined, "user-7") == 1 })
	production.Hold(page("r", "user-8", "a"), at(1, "x"))
	eventually(t, "the other join", func() bool {
		return inProduction.count(presence.Joined, "user-8") == 1 && other.count(presence.Joined, "user-8") == 1
	})
	if inProduction.count(presence.Joined, "user-7")+other.count(presence.Joined, "user-7")+observed.count(presence.Joined, "user-8") > 0 {
		t.Error("an installation sees another's presence")
	}
	refuses(t, Config{URL: s.url(), NATS: external.NATS{Prefix: "a.b"}}, "prefix")
	refuses(t, Config{NATS: external.NATS{Prefix: "staging"}}, "set --nats-url")
}

// TestDomain connects to a leaf with a JetStream of its own, and stores in that of the hub.
func TestDomain(t *testing.T) {
	t.Parallel()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	remote := &url.URL{Scheme: "nats", Host: l.Addr().String()}
	_ = l.Close()
	hub := startNATSWith(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "hub", "hub"
		o.LeafNode = server.LeafNodeOpts{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
	})
	leaf := startNATSWith(t, func(o *server.Options) {
		o.ServerName, o.JetStreamDomain = "leaf", "leaf"
		o.LeafNode.Remotes = []*server.RemoteLeafOpts{{URLs: []*url.URL{remote}}}
	})
	eventually(t, "the leaf", func() bool { return hub.srv.NumLeafNodes() == 1 })
	reports(t, Config{URL: leaf.url(), NATS: external.NATS{Domain: "hub"}}, "--nats-replicas 1")
	works(t, Config{URL: leaf.url(), NATS: external.NATS{Domain: "hub", Replicas: 1}})
	if state := streamState(t, hub.url()); state.LastSeq == 0 {
		t.Error("the bucket of the hub is empty")
	}
}

// TestPlacement stores on the servers of a cluster with a tag.
func TestPlacement(t *testing.T) {
	t.Parallel()
	servers := startCluster(t, func(i int, o *server.Options) { o.Tags = []string{"other", "ssd", "other"}[i : i+1] })
	c := Config{URL: servers[0].url(), NATS: external.NATS{Replicas: 1, Cluster: "test", Tags: []string{"ssd"}}}
	works(t, c)
	reports(t, Config{URL: servers[0].url(), NATS: external.NATS{Prefix: "other", Tags: []string{"none"}}}, "--nats-tag")
	info := must(streamOf(t, servers[0].url()).Info(t.Context()))
	if info.Config.Replicas != 1 || info.Cluster.Leader != "server-1" {
		t.Errorf("%d replicas on %s", info.Config.Replicas, info.Cluster.Leader)
	}
}

// TestPrefixOfDirectMessages checks that messages that NATS does not store stay in their installation.
func TestPrefixOfDirectMessages(t *testing.T) {
	t.Parallel()
	s := startNATS(t)
	production, staging := open(t, Config{URL: s.url()}), open(t, Config{URL: s.url(), NATS: external.NATS{Prefix: "staging"}})
	const subject = NodeSubjects + "test"
	answer := func(text string) nats.MsgHandler {
		return func(m *nats.Msg) { _ = m.Respond([]byte(text)) }
	}
	production.Hear(subject, answer("production"))
	staging.Hear(subject, answer("staging"))
	for want, b := range map[string]*Broker{"production": production, "staging": staging} {
		eventually(t, "the answer", func() bool {
			m, err := b.Ask(t.Context(), nats.NewMsg(subject))
			if err == nil && string(m.Data) != want {
				t.Fatalf("%s answers to %s", m.Data, want)
			}
			return err == nil
		})
	}
}

// TestMaxBytes fills the bucket and a stream up to the limit.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	const most = 3 * MaxMessage
	s := startNATS(t)
	b := open(t, Config{URL: s.url(), NATS: external.NATS{MaxBytes: most}})
	fill(t, b, topic.Pushes, 2*most)
	if info := storedIn(t, s, topic.Pushes); info.Config.MaxBytes != most || info.State.Bytes > most {
		t.Errorf("pushes have %d bytes, at most %d", info.State.Bytes, info.Config.MaxBytes)
	}
	waitProblems(t, b, "")
	for i := range 2 * most / 4096 {
		b.Hold(page("r", fmt.Sprint("user-", i), "a"), at(1, strings.Repeat("x", 4096)))
	}
	if p := waitProblems(t, b, "presence")[0]; !strings.Contains(p.Remedy, "--nats-max-bytes") {
		t.Errorf("%+v", p)
	}
}
