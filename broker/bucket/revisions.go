package bucket

import (
	"container/heap"
	"hash/maphash"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Revisions has the newest known revision of each key of the bucket. Acks and the watch
// bring the same revisions in no fixed order, and a watch that starts again brings them
// twice. The zero value is empty. It is not safe for concurrent use.
//
// now is always the time since a fixed moment, by the monotonic clock of this process.
type Revisions struct {
	sites map[string]map[string]*revision // by the site's token, then by key
	byAge byAge
	epoch uint64        // the bucket; revisions of two buckets cannot be compared
	swept time.Duration // the last call of Expire
	after time.Duration // Expire removes nothing earlier
	works bool          // the watch has brought something since Begin
}

// revision is the newest known revision of a key.
type revision struct {
	name   string
	conn   string           // of the key; set if stored is
	stored *presence.Stored // nil: deleted, or not parsed
	value  []byte           // not parsed; nil: deleted, or parsed
	sum    uint64           // the hash of the value that stored was parsed from; 0: not known
	rev    uint64
	epoch  uint64
	made   time.Duration // when it was written
	index  int           // in byAge
}

func (f *revision) deleted() bool { return f.stored == nil && f.value == nil }

// Write is a revision of a key. With neither Stored nor Value the key is deleted.
type Write struct {
	Name   string
	Rev    uint64
	Conn   string           // the connection id in the key
	Stored *presence.Stored // the value
	Value  []byte           // the value as NATS has it: Get parses it if Stored is nil
	Age    time.Duration    // how long ago NATS stored it; 0 if that is not known
}

// Begin starts a watch of a bucket. The keys that are known stay: those of an earlier
// epoch are replaced by any revision, and Expire removes those that nobody writes again. If the watch before has worked,
// Expire waits until the new one has brought the writes that were made meanwhile, but no longer if watches
// begin again and again.
func (m *Revisions) Begin(epoch uint64, now time.Duration) {
	if m.works && now >= m.after {
		m.after = now + catchUp
	}
	m.epoch, m.works = epoch, false
}

// Epoch returns the epoch of the last Begin.
func (m *Revisions) Epoch() uint64 { return m.epoch }

// Get returns a key and its value. Of the key it has the site and the connection id. The
// value is nil if the key is deleted or not known, and also with an error: it is not valid.
func (m *Revisions) Get(name string) (presence.Key, *presence.Stored, error) {
	f := m.find(name)
	if f == nil {
		return presence.Key{}, nil, nil
	}
	if f.value != nil {
		key, stored, err := presence.ParseStored(name, f.value)
		f.conn, f.stored, f.sum, f.value = key.Conn, stored, sumOf(f.value), nil
		if err != nil {
			return presence.Key{}, nil, err
		}
	}
	site, _ := presence.DecodeToken(siteToken(name))
	return presence.Key{Site: site, Conn: f.conn}, f.stored, nil
}

// Same returns what was parsed from the last revision of a key, if that had the same value.
// Most writes are renewals, and need not be parsed.
func (m *Revisions) Same(name string, value []byte) (conn string, stored *presence.Stored) {
	if f := m.find(name); f != nil && f.stored != nil && f.sum != 0 && f.sum == sumOf(value) {
		return f.conn, f.stored
	}
	return "", nil
}

// Rev returns the newest known revision of a key: 0 if none is known in this bucket.
func (m *Revisions) Rev(name string) uint64 {
	if f := m.find(name); f != nil && f.epoch == m.epoch {
		return f.rev
	}
	return 0
}

// Names returns the known keys of a site, in no order.
func (m *Revisions) Names(site string) iter.Seq[string] {
	return maps.Keys(m.sites[presence.EncodeToken(site)])
}

// Forget removes a key.
func (m *Revisions) Forget(name string) {
	if f := m.find(name); f != nil {
		m.remove(f)
	}
}

// Knows reports whether this revision of a key, or a newer one, is known.
func (m *Revisions) Knows(name string, rev uint64) bool {
	f := m.find(name)
	if f == nil || f.epoch != m.epoch || f.rev < rev {
		return false
	}
	if f.deleted() && f.rev == rev { // the watch has brought the deletion: nothing older follows
		m.remove(f)
	}
	return true
}

// Learn takes a revision of a key, unless a newer one is known.
func (m *Revisions) Learn(w Write, now time.Duration) {
	if m.Knows(w.Name, w.Rev) {
		return
	}
	f := m.find(w.Name)
	if f == nil {
		f = m.add(w.Name)
	}
	f.conn, f.stored, f.value, f.sum = w.Conn, w.Stored, nil, 0
	switch {
	case w.Stored == nil:
		f.value = w.Value
	case w.Value != nil:
		f.sum = sumOf(w.Value)
	}
	f.rev, f.epoch, f.made = w.Rev, m.epoch, now-w.Age
	heap.Fix(&m.byAge, f.index)
}

// Update is Learn for the watch. The watch is ordered, so no older revision follows, and a
// deleted key can be forgotten.
func (m *Revisions) Update(w Write, now time.Duration) {
	m.works = true
	m.Learn(w, now)
	if f := m.find(w.Name); f != nil && f.deleted() && f.rev <= w.Rev {
		m.remove(f)
	}
}

const (
	// SweepInterval is the time between two calls of Expire.
	SweepInterval = time.Second

	maxExpired = 256               // the most keys that Expire removes at once
	maxAway    = 3 * SweepInterval // a longer time between two calls is a stall
	catchUp    = 5 * time.Second   // for the writes that were made during a stall, or between two watches, to arrive
)

// Lifetime is how long a view shows an entry after its last write: a TTL and a margin. NATS
// announces expiry and deletion, but the announcement may be lost, as when a server of a
// cluster was away for a while.
func Lifetime(ttl time.Duration) time.Duration { return ttl + max(ttl/6, 2*time.Second) }

// Expire removes keys that were written a Lifetime ago, and returns their
// names. It removes few at once: more is true if there are others. It is called every
// SweepInterval. If it was not, the process has stalled and heard nothing: then it removes
// nothing until the writes that were made meanwhile have arrived.
func (m *Revisions) Expire(ttl, now time.Duration) (names []string, more bool) {
	if now-m.swept > maxAway {
		m.after = now + catchUp
	}
	m.swept = now
	for now >= m.after && len(m.byAge) > 0 && now-m.byAge[0].made > Lifetime(ttl) && len(names) < maxExpired {
		names = append(names, m.byAge[0].name)
		m.remove(m.byAge[0])
	}
	return names, len(names) == maxExpired
}

func (m *Revisions) find(name string) *revision { return m.sites[siteToken(name)][name] }

// add makes the revision of a key.
func (m *Revisions) add(name string) *revision {
	f := &revision{name: name}
	token := siteToken(name)
	if m.sites == nil {
		m.sites = map[string]map[string]*revision{}
	}
	if m.sites[token] == nil {
		m.sites[strings.Clone(token)] = map[string]*revision{}
	}
	m.sites[token][name] = f
	heap.Push(&m.byAge, f)
	return f
}

func (m *Revisions) remove(f *revision) {
	heap.Remove(&m.byAge, f.index)
	token := siteToken(f.name)
	delete(m.sites[token], f.name)
	if len(m.sites[token]) == 0 {
		delete(m.sites, token)
	}
}

// siteToken returns the site's token of a key.
func siteToken(name string) string {
	token, _, _ := strings.Cut(name, ".")
	return token
}

var seed = maphash.MakeSeed()

// sumOf returns a hash that is not 0.
func sumOf(value []byte) uint64 { return maphash.Bytes(seed, value) | 1 }
