// Package readiness answers /readyz: whether traffic may come to a node, and which of its
// parts do not work.
package readiness

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/heartbeatd/heartbeatd/broker"
	"github.com/heartbeatd/heartbeatd/broker/problem"
)

// State is what /readyz says of a node.
type State struct {
	// Ready is whether traffic may come to the node. A node whose NATS is away is ready: it
	// answers beats with what it knows.
	Ready bool `json:"ready"`
	// Reasons are why the node is not ready, or the parts that do not work meanwhile.
	Reasons []problem.Problem `json:"reasons"`
}

// Of returns the state of a node with a broker, which drains or not.
func Of(b *broker.Broker, drains bool) State {
	s := State{Ready: true, Reasons: b.Problems()}
	if !b.Started() {
		s.refuse(problem.Starting, "heartbeatd has not reached the presence in NATS since it started", "Remove the cause that the other reasons name. heartbeatd tries again by itself")
	}
	if drains {
		s.refuse(problem.Draining, "heartbeatd is stopping, and its pages connect to other nodes", "Wait until it has started again")
	}
	return s
}

// With returns the state with other parts that do not work.
func (s State) With(problems []problem.Problem) State {
	s.Reasons = append(s.Reasons, problems...)
	return s
}

func (s *State) refuse(part problem.Part, text, remedy string) {
	s.Ready = false
	s.Reasons = append([]problem.Problem{part.Problem(text, remedy)}, s.Reasons...)
}

// String returns the sentences of all reasons.
func (s State) String() string {
	texts := make([]string, len(s.Reasons))
	for i, p := range s.Reasons {
		texts[i] = p.Text
	}
	return strings.Join(texts, "; ")
}

// Handler answers with a state: 200 if the node is ready, or 503.
func Handler(state func() State) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		s := state()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !s.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		_ = e.Encode(s)
	}
}
