// Package leader reads a stream of NATS from its leader. It repeats requests that get no answer.
package leader

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrNone is the error of a stream that has no leader now.
var ErrNone = fmt.Errorf("the stream has no leader: %w", jetstream.ErrNoStreamResponse)

// Stream returns a stream with the info of its leader.
func Stream(ctx context.Context, js jetstream.JetStream, name string) (jetstream.Stream, error) {
	stream, err := Ask(ctx, func(ctx context.Context) (jetstream.Stream, error) { return js.Stream(ctx, name) })
	if err != nil {
		return nil, err
	}
	return stream, check(stream.CachedInfo())
}

// check returns ErrNone if info is not of a leader. While a stream has none, every replica answers, also one that
// is behind because its server was cut off.
func check(info *jetstream.StreamInfo) error {
	if info.Cluster != nil && info.Cluster.Leader == "" {
		return ErrNone
	}
	return nil
}

// Last returns the last message of a stream with a subject. The error is jetstream.ErrMsgNotFound
// if there is none.
//
// The methods of package jetstream ask any replica of the stream. It may be behind, or on a server
// that is cut off from the leader and no longer answers.
func Last(ctx context.Context, js jetstream.JetStream, stream, subject string) (*jetstream.RawStreamMsg, error) {
	return get(ctx, js, stream, map[string]any{"last_by_subj": subject})
}

// Message returns the message of a stream with a sequence number. The error is jetstream.ErrMsgNotFound if there is none.
func Message(ctx context.Context, js jetstream.JetStream, stream string, seq uint64) (*jetstream.RawStreamMsg, error) {
	return get(ctx, js, stream, map[string]any{"seq": seq})
}

func get(ctx context.Context, js jetstream.JetStream, stream string, which map[string]any) (*jetstream.RawStreamMsg, error) {
	request, err := json.Marshal(which)
	if err != nil {
		return nil, err
	}
	to := prefix(js.Options()) + "STREAM.MSG.GET." + stream
	answer, err := Ask(ctx, func(ctx context.Context) (*nats.Msg, error) { return js.Conn().RequestWithContext(ctx, to, request) })
	if err != nil {
		return nil, fmt.Errorf("no answer from NATS, whose user needs the permission to publish to %s: %w", to, err)
	}
	return parse(answer.Data)
}

// prefix returns the beginning of the subjects of the API of JetStream.
func prefix(o jetstream.JetStreamOptions) string {
	switch {
	case o.APIPrefix != "":
		return o.APIPrefix + "."
	case o.Domain != "":
		return "$JS." + o.Domain + ".API."
	}
	return jetstream.DefaultAPIPrefix
}

func parse(data []byte) (*jetstream.RawStreamMsg, error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, jetstream.ErrMsgNotFound
		}
		return nil, answer.Error
	}
	m := answer.Message
	msg := &jetstream.RawStreamMsg{Subject: m.Subject, Sequence: m.Sequence, Data: m.Data, Time: m.Time}
	if len(m.Header) > 0 {
		header, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return nil, err
		}
		msg.Header = header
	}
	return msg, nil
}
