package main

import (
	"fmt"

	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/transport"
)

// LimitFlags are the limits of limit.Max, with the values of limit.Defaults.
type LimitFlags struct {
	MaxPages        int `default:"200000" help:"How many pages of one site the node has at most. Several sites together have at most 27 % more." placeholder:"N"`
	MaxUserPages    int `default:"200" help:"How many pages of one user the node has at most." placeholder:"N"`
	MaxAddressPages int `default:"5000" help:"How many pages of one address the node has at most, and how many connections." placeholder:"N"`
	MaxQueueBytes   int `default:"2097152" help:"How many bytes may wait for a page that reads slowly, before its connection ends." placeholder:"BYTES"`
	MaxBeats        int `default:"5" help:"How many beats of a page heartbeatd answers in a second. PHP answers the others. Six times as many may come at once." placeholder:"N"`
}

// max returns the limits, if they are valid.
func (f *LimitFlags) max() (limit.Max, error) {
	for _, l := range []struct {
		flag           string
		n, least, most int
	}{
		{"--max-pages", f.MaxPages, 1, 10_000_000},
		{"--max-user-pages", f.MaxUserPages, 1, 1_000_000},
		{"--max-address-pages", f.MaxAddressPages, 1, 10_000_000},
		{"--max-queue-bytes", f.MaxQueueBytes, transport.MinQueueBytes, 1 << 30},
		{"--max-beats", f.MaxBeats, 1, 1000},
	} {
		if l.n < l.least || l.n > l.most {
			return limit.Max{}, fmt.Errorf("%s %d: it must be %d to %d", l.flag, l.n, l.least, l.most)
		}
	}
	return limit.Max(*f), nil
}
