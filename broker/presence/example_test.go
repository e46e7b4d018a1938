package presence_test

import (
	"encoding/json"
	"fmt"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// Two tabs of one person are one entry of a room, and the tab that was focused last is
// shown.
func ExampleFold() {
	var fold presence.Fold
	show := func(changes []presence.Change, err error) {
		fmt.Println(len(changes), "changes", err)
		for _, c := range changes {
			fmt.Println(" ", c.Kind, string(c.Entry.Data))
		}
	}
	tab := func(conn, data string, focused int64) (presence.Key, presence.Stored) {
		e := presence.Entry{Room: "admin/online", ClientID: "user-1", Data: json.RawMessage(data)}
		return presence.Key{Site: "blog", Room: e.Room, ClientID: e.ClientID, Conn: conn}, presence.Stored{Entry: e, FocusedAt: focused}
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
