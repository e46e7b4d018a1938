package broker

import "testing"

func TestHoldAndLeaveAreSeenEverywhere(t *testing.T) {
	b := open(t, Config{Listen: "127.0.0.1:0"})
	other := open(t, Config{URL: "nats://" + b.ListenAddr()})
	v, d := watch(t, b, "site")
	_, d2 := watch(t, other, "site")

	b.Hold(page("admin/online", "user-1", "a"), at(1, "dashboard"))
	if got := inRoom(v, "admin/online"); got != "user-1" {
		t.Fatalf("this node does not see at once who it holds: %q", got)
	}
	d2.want(t, "joined user-1")
	b.Leave(page("admin/online", "user-1", "a"))
	d2.want(t, "joined user-1, left user-1")
	d.want(t, "joined user-1, left user-1")
}
