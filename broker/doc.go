// Package broker keeps rooms on NATS: who is where, on every node at once.
//
//	b, err := broker.Open(ctx, broker.Config{}) // NATS in this process, in memory
//	v, err := b.Watch("default", func(c broker.Change) { … })
//	k := broker.Key{Site: "default", Room: "admin/online", ClientID: "user-1", Conn: "x7f"}
//	b.Hold(k, broker.Stored{Entry: entry}) // a page is here; v has it already
//	b.Leave(k)                             // and gone
//
// Each browser page has a key of its own in each room, written by the node
// that holds the page and renewed by it a third of the TTL after the last write.
// So nothing is counted: somebody is in a room as long as there is a key. NATS expires
// what nobody renews, orders what nodes write, and announces it to all of them.
//
// # Promises
//
// Hold, Put, StopRenewing, Leave and Remove never wait for NATS, and this node's views
// change before they return. If a key is written faster than NATS accepts it, values
// between may be skipped; the newest is written. If only the date of an entry changes, it
// is written ten seconds after the one before, or twenty if no beat follows: a page that
// reports no input and beats every 20 s is not shown as idle on any node.
// A node never deletes or replaces what another node wrote after it: the page is on that
// node now. Only Remove does; a page that is still there returns with its next beat.
// Renewals change nothing that is announced. When NATS was away, each node writes its
// entries again, and nobody who was present is announced as left unless one TTL passes
// without a write.
//
// On a NATS cluster the bucket has three replicas, which needs three servers with
// JetStream. With fewer, Ready returns the error.
//
// # For observers
//
// What a node writes is in the JetStream key-value bucket "presence" (stream
// KV_presence, in memory), under Key.String, as the JSON of Stored. Everything
// that happens in the bucket is published again below "presence.":
//
//	presence.default.admin.online.user-1.x7f
//
// A site is presence.default.>, a room presence.default.admin.online.*.*;
// ParseSubject reads such a subject. The headers say what happened:
//
//	Nats-Last-Sequence: 0          the key is new; otherwise it was written again
//	KV-Operation: PURGE            the page left
//	KV-Operation: DEL              Remove took it away
//	Nats-Marker-Reason: MaxAge     nobody renewed it
//	Nats-Sequence                  the revision, rising with every write
//
// Observe folds the keys to people in rooms, and continues when NATS was restarted. The
// permission to subscribe to presence.>, or to presence.<site>.>, is enough:
// Config.Observers are such users of the embedded NATS. Such an observer learns of
// everybody who is present within a third of the TTL, when their entries are renewed.
//
// To learn of them at once, an observer of an external NATS needs more permissions: to
// subscribe to an inbox prefix of its own (nats.CustomInboxPrefix; with _INBOX.> it could
// read the answers to others), and to publish to
//
//	$JS.API.INFO
//	$JS.API.STREAM.INFO.KV_presence
//	$JS.API.CONSUMER.CREATE.KV_presence.>
//	$JS.API.CONSUMER.DELETE.KV_presence.>
//	$JS.FC.KV_presence.>
//
// Give them to trusted services only: they show all sites, and a consumer can be made to
// deliver to any subject.
package broker
