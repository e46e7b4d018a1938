// Command observe prints the entries of a room as JSON, whenever they change:
//
//	go run ./integration/observers nats://observer:PASSWORD@127.0.0.1:4222 default admin/online 60
//
// The last arguments are the nodes' --presence-ttl in seconds, and their --nats-prefix if they have one.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/heartbeatd/heartbeatd/broker/bucket"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// room are the entries of a room, by client id. Calls of OnChange do not overlap.
type room map[string]presence.Entry

func main() {
	arguments := append(os.Args[1:], []string{"nats://127.0.0.1:4222", "default", "admin/online", "60", ""}[min(len(os.Args)-1, 4):]...)
	seconds, err := strconv.Atoi(arguments[3])
	if err != nil {
		log.Fatal(err)
	}
	nc, err := nats.Connect(arguments[0])
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	here := make(room)
	err = bucket.Observe(context.Background(), nc, bucket.Observer{
		Site: arguments[1], TTL: time.Duration(seconds) * time.Second, Prefix: bucket.Prefix(arguments[4]),
		OnChange: func(c presence.Change) {
			if c.Entry.Room == arguments[2] {
				here.change(c)
			}
		},
	})
	log.Fatal(err)
}

func (r room) change(c presence.Change) {
	if c.Kind == presence.Left {
		delete(r, c.Entry.ClientID)
	} else {
		r[c.Entry.ClientID] = c.Entry
	}
	type shown struct {
		ClientID string          `json:"client_id"`
		Name     string          `json:"name"`
		Data     json.RawMessage `json:"data"`
		Idle     bool            `json:"idle"`
	}
	list := []shown{}
	for _, id := range slices.Sorted(maps.Keys(r)) {
		e := r[id]
		list = append(list, shown{id, e.DisplayName, e.Data, e.IsIdle(time.Now())})
	}
	b, err := json.Marshal(list)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(b))
}
