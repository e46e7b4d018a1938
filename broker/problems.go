package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/ack"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// problemAge is how long the error of a write is reported after it: a later write may work.
const problemAge = time.Minute

// parts are the topics with the titles of their problems.
var parts = []struct {
	topic topic.Topic
	problem.Part
	title string
}{
	{topic.Pushes, problem.Pushes, "Pushes and nudges"},
	{topic.Revocations, problem.Revocations, "Revocations"},
	{topic.Deposits, problem.Deposits, "Deposits"},
}

// Problems returns the parts that do not work now: NATS (there is no connection), JetStream (it is not
// available), presence (it is not read or written), pushes, revocations and deposits. If presence is not
// read and written, only that is reported.
func (b *Broker) Problems() []problem.Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.health.Err(); err != nil {
		return []problem.Problem{problem.OfNATS(err, b.address())}
	}
	list := []problem.Problem{}
	if err := b.refused.Within(b.ttl); err != nil {
		list = append(list, problem.OfPresence(err))
	}
	for _, part := range parts {
		if err := b.topicErrors[part.topic.Name].Within(problemAge); err != nil {
			list = append(list, part.Problem(part.title+" do not reach other nodes: "+err.Error(), problem.Remedy(err)))
		} else if limit, err := b.sizeOf(part.topic).Refused(problemAge); err != nil {
			text := fmt.Sprintf("%s: NATS keeps at most %d KiB of them, and may remove some before their time: %v", part.title, limit>>10, err)
			list = append(list, part.Problem(text, problem.Remedy(err)))
		}
	}
	return list
}

// Started reports whether the broker has reached the presence in NATS since Open.
func (b *Broker) Started() bool {
	l, _ := b.current()
	return l != nil
}

func (b *Broker) address() string {
	if b.server != nil {
		return "this process"
	}
	return problem.Address(b.config.URL)
}

// noteTopic keeps the error with which a topic failed; nil: it works.
func (b *Broker) noteTopic(t topic.Topic, err error) {
	if errors.Is(err, context.Canceled) || ack.IsWrongRevision(err) {
		return // the caller has left, or expected another revision: the topic may work
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topicErrors[t.Name] = problem.Now(err)
}
