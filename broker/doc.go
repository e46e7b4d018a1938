// Package broker keeps rooms on NATS: who is where, on every node at once.
package broker
