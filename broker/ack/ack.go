// Package ack parses the acks with which JetStream answers writes.
package ack

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Head returns the beginning of the acks of a stream on a NATS server without JetStream domains.
func Head(stream string) []byte { return []byte(`{"stream":"` + stream + `","seq":`) }

// Parse returns the sequence number of an ack, or the error that NATS has answered. An ack with
// head is not parsed as JSON.
func Parse(data, head []byte) (seq uint64, err error) {
	if digits, found := bytes.CutPrefix(data, head); found {
		if seq, err = strconv.ParseUint(string(bytes.TrimSuffix(digits, []byte("}"))), 10, 64); err == nil {
			return seq, nil
		}
	}
	if len(data) == 0 {
		return 0, nats.ErrNoResponders
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		*jetstream.PubAck
	}
	switch err := json.Unmarshal(data, &answer); {
	case err != nil:
		return 0, err
	case answer.Error != nil:
		return 0, answer.Error
	case answer.PubAck == nil || answer.Stream == "":
		return 0, jetstream.ErrInvalidJSAck
	}
	return answer.Sequence, nil
}

// IsWrongRevision reports whether NATS has refused a message because the last one of its subject has
// another sequence number than expected.
func IsWrongRevision(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
