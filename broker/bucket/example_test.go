package bucket_test

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// An observer prints who joins and leaves on all sites. It needs only the permission to
// subscribe to presence.>.
func ExampleObserve() {
	node, err := broker.Open(context.Background(), broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = node.Close() }()
	page := presence.Key{Site: "blog", Room: "admin/online", ClientID: "user-1", Conn: "x7f"}
	node.Hold(page, presence.Stored{Entry: presence.Entry{UserID: 1, DisplayName: "Ada"}})

	nc, err := nats.Connect("nats://" + node.ListenAddr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = bucket.Observe(ctx, nc, bucket.Observer{OnChange: func(c presence.Change) {
		fmt.Println(c.Site, c.Entry.Room, c.Entry.DisplayName, c.Kind)
		if c.Kind == presence.Joined {
			node.Leave(page)
		} else {
			cancel()
		}
	}})
	fmt.Println(err)
	// Output:
	// blog admin/online Ada joined
	// blog admin/online Ada left
	// context canceled
}
