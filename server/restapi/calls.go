package restapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/problem"
	"github.com/heartbeatd/heartbeatd/broker/topic"
	"github.com/heartbeatd/heartbeatd/server/message"
	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/server/version"
	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// maxTime is the maximum of a time: the year 9999, in Unix seconds.
const maxTime = 253_402_300_799

// request is the body of a POST.
type request struct {
	Site     string          `json:"site"`
	To       message.Target  `json:"to"`
	Data     json.RawMessage `json:"data"`
	SpreadMS int             `json:"spread_ms"`
	Paced    bool            `json:"paced"`
	User     int64           `json:"user"`
	SID      string          `json:"sid"`
	Room     string          `json:"room"`
	All      bool            `json:"all"`
	At       int64           `json:"at"`       // when the next scheduled event is due, in Unix s
	UntilMS  int64           `json:"until_ms"` // of a revocation, in Unix ms; 0: when the key was issued
	Serial   int64           `json:"serial"`   // of a revocation
	Handle   string          `json:"handle"`
	Value    json.RawMessage `json:"value"` // of a deposit; null withdraws it
	TTL      int64           `json:"ttl"`   // of a deposit, in seconds

	Rooms []message.RoomState `json:"rooms"`
	Beat  bool                `json:"beat"` // a beat has written the rows of the rooms
}

func (a *api) push(ctx context.Context, c *call) (int, any, error) {
	if err := c.To.Check(); err != nil {
		return 0, nil, badRequest("to: %v", err)
	}
	switch {
	case len(c.Data) == 0:
		return 0, nil, badRequest("data is missing")
	case len(c.Data) > message.MaxData:
		return 0, nil, &apiError{413, "too_large", fmt.Sprintf("data has at most %d bytes", message.MaxData)}
	}
	if err := message.CheckJSON("data", c.Data); err != nil {
		return 0, nil, badRequest("%v", err)
	}
	cursor, err := a.publish(ctx, topic.Pushes, c.site, message.Message{Kind: message.Push, To: c.To, Data: c.Data})
	return http.StatusAccepted, map[string]string{"cursor": cursor.String()}, err
}

func (a *api) nudge(ctx context.Context, c *call) (int, any, error) {
	if err := c.To.Check(); err != nil {
		return 0, nil, badRequest("to: %v", err)
	}
	if most := int(message.MaxSpread.Milliseconds()); c.SpreadMS < 0 || c.SpreadMS > most {
		return 0, nil, badRequest("spread_ms must be 0 to %d", most)
	}
	_, err := a.publish(ctx, topic.Pushes, c.site, message.Message{Kind: message.Nudge, To: c.To, SpreadMS: c.SpreadMS, Paced: c.Paced})
	return http.StatusAccepted, struct{}{}, err
}

// answer deposits a value with which all nodes answer a handle, or withdraws it.
func (a *api) answer(ctx context.Context, c *call) (int, any, error) {
	if err := c.To.Check(); err != nil {
		return 0, nil, badRequest("to: %v", err)
	}
	if err := message.CheckHandle(c.Handle); err != nil {
		return 0, nil, badRequest("%v", err)
	}
	d := message.Deposit{To: c.To, Handle: c.Handle, Value: json.RawMessage(wordpress.EscapeJSON(c.Value))}
	most := int64(message.MaxTTL.Seconds())
	switch {
	case len(d.Value) == 0:
		return 0, nil, badRequest("value is missing")
	case len(d.Value) > message.MaxValue:
		return 0, nil, &apiError{413, "too_large", fmt.Sprintf("value has at most %d bytes", message.MaxValue)}
	case !d.IsWithdrawal() && (c.TTL < 1 || c.TTL > most):
		return 0, nil, badRequest("ttl must be 1 to %d seconds", most)
	}
	if err := message.CheckJSON("value", d.Value); err != nil {
		return 0, nil, badRequest("%v", err)
	}
	d.UntilMS = a.Broker.Now().Add(time.Duration(c.TTL) * time.Second).UnixMilli()
	if err := a.AdmitDeposit(c.site, &d); err != nil {
		return 0, nil, &apiError{429, "limit_reached", err.Error()}
	}
	b, err := d.Encode()
	if err != nil {
		return 0, nil, badRequest("value is invalid JSON: %v", err)
	}
	return http.StatusAccepted, struct{}{}, a.Broker.Replace(ctx, topic.Deposits, c.site, d.Key(), b, time.UnixMilli(d.KeepMS))
}

// cron publishes the time of a site's next scheduled event to all nodes.
func (a *api) cron(ctx context.Context, c *call) (int, any, error) {
	if c.At < 0 || c.At > maxTime {
		return 0, nil, badRequest("at must be a time in Unix seconds, or 0 for none")
	}
	_, err := a.publish(ctx, topic.Pushes, c.site, message.Message{Kind: message.Cron, At: c.At, IssuedMS: endOf(c.issued)})
	return http.StatusAccepted, struct{}{}, err
}

// roomsChanged publishes what others can see of rooms of the Presence API plugin to all nodes.
func (a *api) roomsChanged(ctx context.Context, c *call) (int, any, error) {
	if len(c.Rooms) == 0 || len(c.Rooms) > message.MaxRooms {
		return 0, nil, badRequest("rooms must be 1 to %d rooms", message.MaxRooms)
	}
	for _, r := range c.Rooms {
		if err := r.Check(); err != nil {
			return 0, nil, badRequest("rooms: %v", err)
		}
	}
	_, err := a.publish(ctx, topic.Pushes, c.site, message.Message{Kind: message.Rooms, Rooms: c.Rooms, Beat: c.Beat, IssuedMS: endOf(c.issued)})
	return http.StatusAccepted, struct{}{}, err
}

func (a *api) revoke(ctx context.Context, c *call) (int, any, error) {
	set := 0
	for _, is := range []bool{c.User != 0, c.Room != "", c.All} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return 0, nil, badRequest("exactly one of user, room and all is required")
	case c.User < 0:
		return 0, nil, badRequest("user must be a user ID above 0")
	case len(c.Room) > message.MaxName:
		return 0, nil, badRequest("room has at most %d bytes", message.MaxName)
	case len(c.SID) != 0 && len(c.SID) != 64:
		return 0, nil, badRequest("sid must be the hex SHA-256 of a session token")
	case c.UntilMS < 0 || c.UntilMS > c.issued.Add(time.Second).UnixMilli():
		return 0, nil, badRequest("until_ms must be a time in Unix milliseconds, and not later than the key was issued")
	case c.Serial < 0 || c.Serial > ticket.MaxSerial:
		return 0, nil, badRequest("serial must be 0 to 2^53")
	}
	r := ticket.Revocation{User: c.User, SID: c.SID, Room: c.Room, Until: cmp.Or(c.UntilMS, endOf(c.issued)), Serial: c.Serial}
	ctx = context.WithoutCancel(ctx) // PHP waits for 0.3 s, and a log-out is a log-out
	_, err := a.publish(ctx, topic.Revocations, c.site, r)
	if over := new(budget.Error); errors.As(err, &over) {
		err = a.revokeNetwork(ctx, c.site, max(c.issued.UnixMilli(), c.UntilMS))
	}
	return http.StatusAccepted, struct{}{}, err
}

// endOf returns the time at which a key was issued, in Unix ms. Most keys have whole
// seconds: then it is the end of that second.
func endOf(issued time.Time) int64 {
	if issued.Nanosecond() == 0 {
		return issued.UnixMilli() + 999
	}
	return issued.UnixMilli()
}

func (a *api) publish(ctx context.Context, t topic.Topic, site string, v any) (topic.Cursor, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return topic.Cursor{}, badRequest("data is invalid JSON: %v", err)
	}
	return a.Broker.Publish(ctx, t, site, b)
}

// status returns how the node serves a site.
func (a *api) status(ctx context.Context, c *call) (int, any, error) {
	state := a.Readiness()
	status := struct {
		Version string `json:"version"`
		Site    string `json:"site"`
		Time    int64  `json:"time"`
		Ready   bool   `json:"ready"`
		Reason  string `json:"reason"` // why it is not ready

		Reasons []problem.Problem `json:"reasons"`

		Sessions int `json:"sessions"`
		Online   int `json:"online"`

		PHPBeats        map[string]int `json:"php_beats"`
		PHPBeatsSeconds int            `json:"php_beats_seconds"`
		NativeBeats     map[string]int `json:"native_beats"`
	}{Version: version.Get().Version, Site: c.site, Time: time.Now().Unix(), Ready: state.Ready, Reasons: state.Reasons, Sessions: a.Sessions(c.site)}
	beats, span := a.PHPBeats(c.site)
	status.PHPBeats, status.PHPBeatsSeconds, status.NativeBeats = beats, int(span.Seconds()), a.NativeBeats(c.site)
	if !state.Ready {
		status.Reason = state.String()
	}
	if view, err := a.View(ctx, c.site); err == nil {
		view.Room(wordpress.AdminRoom, func(_ []presence.Entry, total int) { status.Online = total })
	}
	return http.StatusOK, status, nil
}
