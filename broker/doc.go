// Package broker keeps rooms on NATS: who is where, on every node at once.
//
//	b, err := broker.Open(ctx, broker.Config{}) // NATS in this process, in memory
//	v, err := b.Watch("default", func(c presence.Change) { … })
//	k := presence.Key{Site: "default", Room: "admin/online", ClientID: "user-1", Conn: "x7f"}
//	b.Hold(k, presence.Stored{Entry: entry}) // a page is here; v has it already
//	b.Leave(k)                               // and gone
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
// What a node writes, and how other programs read it, is described in package bucket. What a
// key, an entry and a change are is in package presence.
package broker
