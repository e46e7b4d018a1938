package forward

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
)

// The results of requests of sessions that other nodes have.
const (
	answered    = "answered"
	aborted     = "aborted"     // after a part of the response
	left        = "left"        // the client has gone away
	gone        = "gone"        // the session's node does not answer
	redirected  = "redirected"  // to another node, since this one has lost NATS
	unreachable = "unreachable" // it has not answered in time
	refused     = "refused"     // too many at once, or this node stops
)

func newResults() *prometheus.CounterVec {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "heartbeatd_forwarded_requests_total", Help: "Requests of long-poll and event streams whose session another node has, by their result.",
	}, []string{"result"})
	for _, name := range []string{answered, aborted, left, gone, redirected, unreachable, refused} {
		results.WithLabelValues(name) // a counter that is not there yet has no rate
	}
	return results
}

// Register adds the metrics of the forwarder.
func (f *Forwarder) Register(to *prometheus.Registry) {
	to.MustRegister(f.results,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "heartbeatd_forwarding_requests", Help: "Requests that this node is passing on to the nodes that have their sessions.",
		}, func() float64 { return float64(f.Passing()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "heartbeatd_forward_answering_requests", Help: "Requests that this node is answering for others.",
		}, func() float64 { return float64(f.Answering()) }))
}

// Passing returns the number of requests that this node is passing on.
func (f *Forwarder) Passing() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.passing
}

// resultOf returns the result of a request with an error, or else if the error does not tell.
func (f *Forwarder) resultOf(err error, otherwise string) string {
	switch {
	case f.working.Err() != nil:
		return refused
	case errors.Is(err, nats.ErrNoResponders):
		return gone
	case errors.Is(err, context.Canceled):
		return left
	}
	return otherwise
}
