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
// So nothing is counted: somebody is in a room while any key says so. NATS expires
// what nobody renews, orders what nodes write, and tells all of them.
//
// # Promises
//
// Hold, Put, Lapse, Leave and Remove never wait for NATS, and this node's views
// change before they return. Of a key that is written faster than NATS takes it,
// the newest value is written; in between values may be left out. Where a date
// moves and nothing else, others hear of it ten seconds after the one before, or
// twenty when no beat follows: a page that reports no input and beats every 20 s
// looks idle nowhere.
// A node never takes away or replaces what another node wrote after it: the page
// has moved there, and holding it here ends. Remove alone does, for whoever asks
// by name; a page that is still there comes back with its next beat. Renewing
// changes nothing that anybody is told. When NATS was away, each node writes again
// what it holds, and whoever was present before is not told to have left unless
// one TTL passes in which nobody says otherwise.
//
// On a NATS cluster the bucket has three copies, which takes three servers with
// JetStream; with fewer, Ready says that it could not be made.
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
// Somebody who needs more than the raw keys uses Observe, which folds them to
// people in rooms and survives NATS being restarted. It is enough to be allowed
// to subscribe to presence.>, or to presence.<site>.>, and to publish nothing:
// Config.Observers are such users of the embedded NATS. Everybody who is there
// is heard of within a third of the TTL, when they are renewed.
//
// On an external NATS an observer may be given more, to be told at once who is
// there: to subscribe to an inbox prefix of its own (nats.CustomInboxPrefix;
// _INBOX.> would let it hear what others are answered), and to publish to
//
//	$JS.API.INFO
//	$JS.API.STREAM.INFO.KV_presence
//	$JS.API.CONSUMER.CREATE.KV_presence.>
//	$JS.API.CONSUMER.DELETE.KV_presence.>
//	$JS.FC.KV_presence.>
//
// That is for services that are trusted: it shows all sites, and whoever may
// make a consumer may have it deliver to any subject.
package broker
