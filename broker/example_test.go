package broker_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker"
)

// An observer prints who comes and goes on all sites. It needs no more than the
// permission to subscribe to presence.>.
func ExampleObserve() {
	node, err := broker.Open(context.Background(), broker.Config{Listen: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = node.Close() }()
	page := broker.Key{Site: "blog", Room: "admin/online", ClientID: "user-1", Conn: "x7f"}
	node.Hold(page, broker.Stored{Entry: broker.Entry{UserID: 1, DisplayName: "Ada"}})

	nc, err := nats.Connect("nats://" + node.ListenAddr())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err = broker.Observe(ctx, nc, broker.Observer{OnChange: func(c broker.Change) {
		fmt.Println(c.Site, c.Entry.Room, c.Entry.DisplayName, c.Kind)
		if c.Kind == broker.Joined {
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

// Two tabs of one person are one entry of a room, and the tab that was focused last is
// shown.
func ExampleFold() {
	var fold broker.Fold
	show := func(changes []broker.Change, err error) {
		fmt.Println(len(changes), "changes", err)
		for _, c := range changes {
			fmt.Println(" ", c.Kind, string(c.Entry.Data))
		}
	}
	tab := func(conn, data string, focused int64) (broker.Key, broker.Stored) {
		e := broker.Entry{Room: "admin/online", ClientID: "user-1", Data: json.RawMessage(data)}
		return broker.Key{Site: "blog", Room: e.Room, ClientID: e.ClientID, Conn: conn}, broker.Stored{Entry: e, FocusedAt: focused}
	}
	first, posts := tab("tab-1", `{"screen":"posts"}`, 1)
	second, media := tab("tab-2", `{"screen":"media"}`, 2)
	show(fold.Put(first, posts))
	show(fold.Put(second, media))
	show(fold.Remove(first), nil)
	show(fold.Remove(second), nil)
	// Output:
	// 1 changes <nil>
	//   joined {"screen":"posts"}
	// 1 changes <nil>
	//   updated {"screen":"media"}
	// 0 changes <nil>
	// 1 changes <nil>
	//   left {"screen":"media"}
}
