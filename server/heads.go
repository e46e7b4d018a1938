package server

import (
	"bytes"

	"github.com/heartbeatd/heartbeatd/broker"
)

const (
	// maxHeads bounds what a list remembers: of everybody whom it shows, and of
	// those who come back to it soon, because who beats moves to its front.
	maxHeads = 600
	// fewHeads is how many people a list has that is soon written anew: most rooms
	// are posts with a few editors, and there are many.
	fewHeads = 20
)

// heads remembers what a list says of people before their date, which comes last,
// with whether they are idle: of most of them, nothing else changes. It has no
// lock: its owner has.
type heads struct {
	write func(e broker.Entry) []byte // what it says of one
	kept  map[string]*head            // by client id
}

type head struct {
	of   broker.Entry
	text []byte
}

// in returns what the list, which has size people, says of one of them.
func (h *heads) in(size int, e *broker.Entry) []byte {
	if size <= fewHeads {
		return h.write(*e)
	}
	k := h.kept[e.ClientID]
	if k == nil || !sameButDate(&k.of, e) {
		if h.kept == nil {
			h.kept = make(map[string]*head)
		}
		if len(h.kept) >= maxHeads {
			clear(h.kept)
		}
		k = &head{*e, h.write(*e)}
		h.kept[e.ClientID] = k
	}
	return k.text
}

// sameButDate compares what a list may say of one client id in one room.
func sameButDate(a, b *broker.Entry) bool {
	return a.UserID == b.UserID && a.DisplayName == b.DisplayName && a.AvatarURL == b.AvatarURL && bytes.Equal(a.Data, b.Data)
}
