// Package external says how a node uses an external NATS: as which user, under which names, and on which servers.
package external

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Access is what a NATS server asks a client for. All are names of files, which are optional.
type Access struct {
	Credentials string // a .creds file: a user's JWT and seed
	NKey        string // the seed of an nkey
	Cert, Key   string // a certificate of the client, and its key
	CA          string // the certificates that sign those of the servers
}

// NATS says how a node uses an external NATS. The zero value is for a server without TLS and
// accounts.
type NATS struct {
	Access
	// Prefix is a name before those of the bucket, the streams and the subjects.
	Prefix bucket.Prefix
	// Domain is the JetStream domain of the streams; empty: that of the server.
	Domain string
	// Replicas is how many servers store a stream; 0: three in a cluster, or one.
	Replicas int
	// Cluster and Tags say which servers may store streams.
	Cluster string
	Tags    []string
	// MaxBytes is the most that the bucket and each stream may have; 0: 64 MiB for a stream, and
	// what NATS has for the bucket. Accounts may ask for a limit.
	MaxBytes int64
}

// Options returns the options for a connection. An error names the flag with a wrong file, and no secret.
func (a Access) Options() (opts []nats.Option, err error) {
	if a.Credentials != "" && a.NKey != "" {
		return nil, errors.New("--nats-creds and --nats-nkey are two ways to log in: set one of them")
	}
	if a.CA != "" {
		pem, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("--nats-ca: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--nats-ca: %s has no certificate in PEM", a.CA)
		}
		opts = append(opts, nats.RootCAs(a.CA))
	}
	if a.Cert != "" || a.Key != "" {
		if a.Cert == "" || a.Key == "" {
			return nil, errors.New("--nats-cert and --nats-key are a certificate and its key: set both of them")
		}
		if _, err := tls.LoadX509KeyPair(a.Cert, a.Key); err != nil {
			return nil, fmt.Errorf("--nats-cert and --nats-key: %w", err)
		}
		opts = append(opts, nats.ClientCert(a.Cert, a.Key))
	}
	if a.NKey != "" {
		option, err := nats.NkeyOptionFromSeed(a.NKey)
		if err != nil {
			return nil, fmt.Errorf("--nats-nkey: %s must have the seed of a user, which begins with SU: %w", a.NKey, err)
		}
		opts = append(opts, option)
	}
	if a.Credentials != "" {
		text, err := os.ReadFile(a.Credentials)
		if err != nil {
			return nil, fmt.Errorf("--nats-creds: %w", err)
		}
		if _, err := nkeys.ParseDecoratedUserNKey(text); err != nil {
			return nil, fmt.Errorf("--nats-creds: %s must have the JWT and the seed of a user, as nsc writes them: %w", a.Credentials, err)
		}
		opts = append(opts, nats.UserCredentials(a.Credentials))
	}
	return opts, nil
}

// isPrefix matches what may be a token of a subject and a part of the name of a stream.
var isPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]{0,32}$`)

// Check returns what is wrong. A new stream has minBytes.
func (n NATS) Check(minBytes int64) error {
	switch {
	case !isPrefix.MatchString(string(n.Prefix)), n.Prefix == "presence", n.Prefix == "_INBOX":
		return fmt.Errorf("--nats-prefix %q: at most 32 of A-Z, a-z, 0-9, _ and -, and neither presence nor _INBOX", n.Prefix)
	case n.Replicas < 0 || n.Replicas > 5:
		return fmt.Errorf("--nats-replicas %d: from 1 to 5", n.Replicas)
	case n.MaxBytes != 0 && n.MaxBytes < minBytes:
		return fmt.Errorf("--nats-max-bytes %d: at least %d", n.MaxBytes, minBytes)
	}
	_, err := n.Options()
	return err
}

// IsZero reports whether nothing is set.
func (n NATS) IsZero() bool {
	return n.Access == Access{} && n.Prefix == "" && n.Domain == "" && n.Replicas == 0 && n.Cluster == "" && len(n.Tags) == 0 && n.MaxBytes == 0
}

// Bucket returns the name of the bucket.
func (n NATS) Bucket() string { return n.Prefix.Name(bucket.Name) }

// KeySubject returns the beginning of the subjects of keys, as the bucket stores them.
func (n NATS) KeySubject() string { return "$KV." + n.Bucket() + "." }

// WriteSubject is KeySubject for writes. In another domain they go through its API.
func (n NATS) WriteSubject() string {
	if n.Domain != "" {
		return "$JS." + n.Domain + ".API." + n.KeySubject()
	}
	return n.KeySubject()
}

// Published returns the beginning of the subjects under which keys are republished.
func (n NATS) Published() string { return n.Prefix.Subject(presence.SubjectPrefix) }

// ReplicasOn returns the number of servers that store a stream. In a cluster it is three, because most streams
// are in memory.
func (n NATS) ReplicasOn(nc *nats.Conn) int {
	switch {
	case n.Replicas > 0:
		return n.Replicas
	case nc.ConnectedClusterName() == "":
		return 1
	}
	return 3
}

// Placement returns which servers may store a stream; nil: all.
func (n NATS) Placement() *jetstream.Placement {
	if n.Cluster == "" && len(n.Tags) == 0 {
		return nil
	}
	return &jetstream.Placement{Cluster: n.Cluster, Tags: n.Tags}
}

// AtMost returns the limit of the bytes of a stream that needs at most so many.
func (n NATS) AtMost(limit int64) int64 {
	if n.MaxBytes > 0 {
		return min(n.MaxBytes, limit)
	}
	return limit
}
