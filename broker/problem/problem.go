// Package problem says which part of a node does not work, why, and what to do about it. Most parts
// need NATS.
package problem

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Problem is a part of a node that does not work. Part.Problem makes one.
type Problem struct {
	Name    string `json:"name"`    // of the part: stable, for programs
	Text    string `json:"text"`    // a sentence that says what does not work
	Remedy  string `json:"remedy"`  // what to do
	Finding string `json:"finding"` // the name in the list of package server/finding
}

// Part is a part of a node.
type Part struct{ name, finding string }

// The parts of a node. The first two are the node itself.
var (
	Starting       = part("starting", "not-ready")
	Draining       = part("draining", "not-ready")
	NATS           = part("nats", "nats-down")
	JetStream      = part("jetstream", "nats-limited")
	Presence       = part("presence", "nats-limited")
	Pushes         = part("pushes", "nats-limited")
	Revocations    = part("revocations", "nats-limited")
	Deposits       = part("deposits", "nats-limited")
	ClockNATS      = part("clock-nats", "clock-differs")
	ClockWordPress = part("clock-wordpress", "clock-differs")
)

var parts []Part

func part(name, finding string) Part {
	p := Part{name, finding}
	parts = append(parts, p)
	return p
}

// All returns a problem of each part, without texts.
func All() (list []Problem) {
	for _, p := range parts {
		list = append(list, p.Problem("", ""))
	}
	return list
}

// Problem returns the problem that a part does not work.
func (p Part) Problem(text, remedy string) Problem {
	return Problem{Name: p.name, Text: text, Remedy: remedy, Finding: p.finding}
}

// Last is the last error of a part; its zero value and a nil error mean that the part works.
type Last struct {
	err error
	at  time.Time
}

// Now returns an error, or nil, as the last one of a part.
func Now(err error) Last { return Last{err, time.Now()} }

// Within returns the error, unless it is older than age.
func (l Last) Within(age time.Duration) error {
	if time.Since(l.at) > age {
		return nil
	}
	return l.err
}

// ErrNotConnected is the error of a node without a connection to NATS.
var ErrNotConnected = errors.New("not connected to NATS")

// ErrURL takes the place of an error about the URL of NATS, which shows the password.
var ErrURL = errors.New("the URL of NATS is invalid: it must be like nats://USER:PASSWORD@HOST:4222, with special characters of the password encoded as %XX")

// NotConnected returns ErrNotConnected with its cause.
func NotConnected(err error) error { return fmt.Errorf("%w: %w", ErrNotConnected, err) }

// OfNATS returns the problem of a node that cannot read or write presence in NATS at an address.
func OfNATS(err error, address string) Problem {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, nats.ErrNoResponders):
		return JetStream.Problem("JetStream is not available in NATS at "+address+": "+err.Error(),
			"Enable JetStream on the NATS servers and for the account of heartbeatd. In a cluster, start most of the servers")
	case RefusedConnection(err) != "":
		return NATS.Problem("NATS at "+address+" refuses this node: "+err.Error(), RefusedConnection(err))
	case errors.Is(err, ErrNotConnected):
		return NATS.Problem("NATS at "+address+" is away: "+err.Error(),
			"Start NATS, or correct --nats-url. Until then beats are answered, and pages see the presence of this node only")
	}
	return OfPresence(err)
}

// OfPresence returns the problem of a node whose presence NATS refuses.
func OfPresence(err error) Problem {
	return Presence.Problem("Presence cannot be read from NATS or written to it: "+err.Error(), Remedy(err))
}

// RefusedConnection returns what to do about an error of a connection that another try does not end, or "".
func RefusedConnection(err error) string {
	var remote *net.OpError
	switch {
	case errors.As(err, new(*net.AddrError)):
		return "Correct --nats-url"
	case errors.Is(err, nats.ErrAuthorization):
		return "Log in to NATS: set --nats-creds or --nats-nkey, or user and password in --nats-url"
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "Set --nats-ca to the certificates that sign that of NATS, and in --nats-url a name that it is for"
	case errors.As(err, &remote) && remote.Op == "remote error":
		return "Set --nats-cert and --nats-key: NATS asks for the certificate of a client that it trusts"
	}
	return ""
}

const noRoom = "Give NATS more memory, or file storage for revocations: raise max_memory_store or max_file_store of its servers, or the limits of the account"

// remedies are what to do about errors of JetStream.
var remedies = map[jetstream.ErrorCode]string{
	10002: noRoom, // limits of the account
	10023: noRoom, // a message, or a stream in a cluster
	10028: noRoom, // a stream in memory
	10047: noRoom, // a stream on disk
	10077: "Give presence more room: raise --nats-max-bytes, and with the nats command the limit of the bucket, or the limits of NATS",
	10005: "Give the NATS servers more memory (max_memory_store), or correct --nats-replicas, --nats-cluster and --nats-tag: too few servers have room and fit them",
	10074: "Set --nats-replicas 1: NATS has a single server for the streams",
	10113: "Set --nats-max-bytes: the NATS account asks for a limit of each stream",
}

// Remedy returns what to do about an error of NATS.
func Remedy(err error) string {
	var refused *jetstream.APIError
	if errors.As(err, &refused) && remedies[refused.ErrorCode] != "" {
		return remedies[refused.ErrorCode]
	}
	if errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoStreamResponse) {
		return "NATS does not answer: look at its log. A cluster needs most of its servers"
	}
	return "Look at the log of NATS, and at the permissions of heartbeatd's user"
}

// Address returns the addresses in the URL of NATS, without user names, passwords and tokens.
func Address(natsURL string) string {
	var list []string
	for address := range strings.SplitSeq(natsURL, ",") {
		address = address[strings.LastIndexByte(address, '@')+1:] // a password may have one, too
		if u, err := url.Parse(strings.TrimSpace(address)); err == nil && u.Host != "" {
			address = u.Host
		}
		list = append(list, strings.TrimSpace(address))
	}
	return strings.Join(list, ", ")
}
