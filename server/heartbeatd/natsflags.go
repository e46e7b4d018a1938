package main

import (
	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/external"
)

// NatsFlags say how a command connects to an external NATS.
type NatsFlags struct {
	NatsCreds  string `help:"File with the credentials (.creds) of a NATS user." placeholder:"FILE"`
	NatsNkey   string `help:"File with the seed of the nkey of a NATS user." placeholder:"FILE"`
	NatsCert   string `help:"File with the client's certificate, in PEM. Needs --nats-key." placeholder:"FILE"`
	NatsKey    string `help:"File with the key of --nats-cert, in PEM." placeholder:"FILE"`
	NatsCA     string `name:"nats-ca" help:"File with the certificates, in PEM, that sign those of the NATS servers. Without it those of the system." placeholder:"FILE"`
	NatsPrefix string `help:"Name before those of the bucket, the streams and the subjects, if several installations share a NATS account." placeholder:"NAME"`
	NatsDomain string `help:"JetStream domain of the streams." placeholder:"NAME"`
}

// NatsStore says where an external NATS stores the streams.
type NatsStore struct {
	NatsReplicas int      `help:"How many NATS servers store each stream. Without it three in a cluster." placeholder:"N"`
	NatsCluster  string   `help:"NATS cluster that stores the streams." placeholder:"NAME"`
	NatsTag      []string `help:"Tags of the NATS servers that may store the streams." placeholder:"TAG"`
	NatsMaxBytes int64    `help:"Largest number of bytes of the presence and of each stream. Accounts may ask for such a limit." placeholder:"BYTES"`
}

// access returns the files for a connection.
func (f *NatsFlags) access() external.Access {
	return external.Access{Credentials: f.NatsCreds, NKey: f.NatsNkey, Cert: f.NatsCert, Key: f.NatsKey, CA: f.NatsCA}
}

// nats returns how heartbeatd uses an external NATS.
func (c *serveCmd) nats() external.NATS {
	return external.NATS{
		Access: c.access(), Prefix: bucket.Prefix(c.NatsPrefix), Domain: c.NatsDomain,
		Replicas: c.NatsReplicas, Cluster: c.NatsCluster, Tags: c.NatsTag, MaxBytes: c.NatsMaxBytes,
	}
}
