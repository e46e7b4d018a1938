package deposit

import (
	"encoding/json"
	"time"
)

// Frame writes the handles that have a value for a page. changed is the one with a new value,
// if any: a page that waits for it beats, within spread if PHP answers.
func Frame(handles []string, changed string, spread time.Duration) []byte {
	frame := struct {
		Type     string   `json:"type"`
		Handles  []string `json:"handles"`
		Changed  string   `json:"changed,omitempty"`
		SpreadMS int64    `json:"spread_ms,omitempty"`
	}{"deposits", append([]string{}, handles...), changed, spread.Milliseconds()}
	b, _ := json.Marshal(frame) // strings and a number: there is no error
	return b
}

// Names returns the handles.
func Names(held []Held) (handles []string) {
	for _, h := range held {
		handles = append(handles, h.Handle)
	}
	return handles
}
