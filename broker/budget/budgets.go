package budget

import "time"

// All budgets. The first number is what one site can use if no other uses the budget.
var (
	// entries are the presence entries that a node writes. At a TTL of 60 s, 100,000 of them are
	// 5,000 renewals a second.
	entries = limits{Entries, shared(100_000), 0, "presence entries"}
	// entryBytes are the bytes of these entries, and for a TTL those that NATS keeps for entries
	// that have left. A node has them about three times: in NATS, as its own, and while they are
	// encoded.
	entryBytes = limits{EntryBytes, shared(128 << 20), 0, "bytes of presence entries"}
	// pushes are the bytes of pushes, nudges and other messages for pages that NATS stores, for
	// as long as it stores them. With these limits no site's push removes that of another.
	pushes = limits{Pushes, shared(32 << 20), PushAge, "bytes of pushes and nudges within two minutes"}
	// revocations are the bytes of revocations that NATS and the nodes store: about 200,000.
	revocations = limits{Revocations, shared(48 << 20), RevocationAge, "revocations within two hours"}
	// sessions are the sessions of pages on a node. A flag changes their number.
	sessions = limits{Sessions, shared(200_000), 0, "sessions"}
	// deposits are the bytes of deposits that NATS stores. Package deposit has the limits of one
	// site, which are smaller; this budget is for networks of many sites.
	deposits = limits{Deposits, shared(48 << 20), 0, "bytes of deposits"}
)

// The names of the budgets.
const (
	Entries     = "entries"
	EntryBytes  = "entry_bytes"
	Pushes      = "pushes"
	Revocations = "revocations"
	Deposits    = "deposits"
	Sessions    = "sessions"
)

const (
	// PushAge and RevocationAge are how long NATS stores messages. A revocation must be stored for
	// longer than any ticket lives, also if the clocks were set back by up to an hour before it.
	PushAge       = 2 * time.Minute
	RevocationAge = 125 * time.Minute
	// StreamBytes is the largest number of bytes of the messages of one kind on NATS. It is more
	// than all sites together can use of a budget, because several nodes may accept messages at the
	// same moment.
	StreamBytes = 64 << 20

	// EntryOverhead and MessageOverhead are the bytes that NATS stores besides what it was given,
	// at most: headers, and the state of each subject.
	EntryOverhead   = 256
	MessageOverhead = 128
)

// limits are the name and the numbers of a budget.
type limits struct {
	name string
	max  int64
	keep time.Duration // after which usage is given back by GiveLater
	what string
}

// Node has the budgets of a node.
type Node struct {
	Entries, EntryBytes, Pushes, Revocations, Deposits, Sessions *Budget

	sharing
}

// NewNode returns the budgets of a node whose entries live for ttl without renewal. denied is
// told of everything that is refused.
func NewNode(ttl time.Duration, denied func(*Error)) *Node {
	n := &Node{sharing: sharing{func(site string) string { return site }, 1, denied}}
	bytes := entryBytes
	bytes.keep = ttl
	n.Entries, n.EntryBytes = newBudget(entries, &n.sharing), newBudget(bytes, &n.sharing)
	n.Pushes, n.Revocations = newBudget(pushes, &n.sharing), newBudget(revocations, &n.sharing)
	n.Deposits, n.Sessions = newBudget(deposits, &n.sharing), newBudget(sessions, &n.sharing)
	return n
}

// Share makes sites use the budgets of the site that payer returns for them, says how many such
// sites there are, and changes who is told of what is refused. It is called before the budgets are
// used.
func (n *Node) Share(payer func(site string) string, payers int, denied func(*Error)) {
	n.sharing = sharing{payer, int64(max(1, payers)), denied}
}
