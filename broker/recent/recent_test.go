package recent

import (
	"fmt"
	"testing"
	"time"
)

func TestRecentlyGoneLimit(t *testing.T) {
	t.Parallel()
	var g Keys
	now := time.Now()
	for i := range 2 * maxKeys {
		g.Add(fmt.Sprint(i), now)
	}
	if len(g.at) != maxKeys {
		t.Errorf("%d keys, want %d", len(g.at), maxKeys)
	}
	if g.Add("later", now.Add(Time)); len(g.at) != 1 {
		t.Errorf("%d old keys were not removed", len(g.at)-1)
	}
}
