// Package broker keeps presence on NATS: it writes the entries of this node's pages, and
// has views of the rooms with the entries of all nodes.
//
//	b, err := broker.Open(ctx, broker.Config{}) // NATS in this process, in memory
//	v, err := b.Watch("default", func(c presence.Change) { … })
//	k := presence.Key{Site: "default", Room: "admin/online", ClientID: "user-1", Conn: "x7f"}
//	b.Hold(k, presence.Stored{Entry: entry}) // the page is in the room; v shows it at once
//	b.Leave(k)                               // the page has left
//
// Each browser page has a key of its own in each room. The node that holds the page writes
// the key, and renews it a third of the TTL after the last write. So nothing is counted: a
// person is in a room as long as one of their keys exists. NATS expires keys that are not
// renewed, orders the writes of all nodes, and delivers them to all nodes.
//
// If NATS is in this process and opens no port, nobody could read an entry there: the node
// writes none, its views show its own entries, and it ends those that are not renewed.
//
// # Promises
//
// Hold, Put, StopRenewing, Leave and Remove never wait for NATS, and this node's views
// change before they return. If a key is written faster than NATS accepts it, values
// between may be skipped; the newest is written. If only the date of an entry changes, it
// is written ten seconds after the last write, or twenty if no beat follows: a page that
// reports no input and beats every 20 s is not shown as idle on any node.
//
// A node never deletes or replaces a value that another node wrote later: the page is
// connected to that node now. Only Remove does; a page that is still open returns with its
// next beat. Renewals cause no changes in views. After NATS could not be reached, each node
// writes its entries again, and nobody who was present is reported as left unless one TTL
// passes without a write.
//
// On a NATS cluster the bucket has three replicas, which needs three servers with
// JetStream. With fewer, Ready returns the error.
//
// What a node writes, and how other programs read it, is described in package bucket. What a
// key, an entry and a change are is in package presence.
package broker
