package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/ticket"
	"github.com/heartbeatd/heartbeatd/transport"
)

// testPage is a page of a user that does not exist, in a room of its own.
type testPage struct {
	user, post    int64
	room, conn    string
	nonce, ticket string
	session       string // of its long-poll
}

// newPage makes a page, and signs its ticket as WordPress does, by the site's clock. A ticket with two
// dashes may look like a comment of SQL to a firewall: one of 400 does, which must not decide what is found.
func (d *checkup) newPage() (*testPage, error) {
	for {
		if p, err := d.signPage(); err != nil || !strings.Contains(p.ticket, "--") {
			return p, err
		}
	}
}

func (d *checkup) signPage() (*testPage, error) {
	p := &testPage{user: unusedID(), post: unusedID(), conn: rand.Text(), nonce: rand.Text()}
	p.room = "postType/heartbeatd-doctor:" + strconv.FormatInt(p.post, 10)
	nonce, token := sha256.Sum256([]byte(p.nonce)), sha256.Sum256([]byte(rand.Text()))
	now := time.Now().Add(d.siteAhead)
	var err error
	p.ticket, err = ticket.Sign(d.API.SiteID, d.API.SiteSecret, ticket.Claims{
		Name: userAgent, SID: hex.EncodeToString(token[:]), Cookie: ticket.CookieID("wordpress_logged_in_" + rand.Text()), Rooms: []string{p.room}, Screen: "front",
		Nonce: hex.EncodeToString(nonce[:]), FreshUntil: now.Add(time.Hour).Unix(), Native: []string{"presence-editor-ping"},
		RegisteredClaims: jwt.RegisteredClaims{Subject: strconv.FormatInt(p.user, 10)},
	}, now)
	return p, err
}

// unusedID returns an ID that no user, no post and no other request has.
func unusedID() int64 {
	n, err := rand.Int(rand.Reader, big.NewInt(1<<51))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return 1<<52 + n.Int64()
}

// beat returns the body of a beat that heartbeatd may answer. One with editing
// enters the room.
func (p *testPage) beat(editing bool) string {
	form := url.Values{"interval": {"60"}, "_nonce": {p.nonce}, "action": {"heartbeat"}, "screen_id": {"front"}, "has_focus": {"false"}}
	if editing {
		form.Set("data[presence-editor-ping][post_id]", strconv.FormatInt(p.post, 10))
	}
	return form.Encode()
}

// withoutTicket is a page that heartbeatd refuses.
var withoutTicket = &testPage{conn: "doctor-without-ticket", ticket: "none"}

// hello returns the hello of a WebSocket.
func (p *testPage) hello() string {
	b, _ := json.Marshal(map[string]string{"type": "hello", "conn": p.conn, "ticket": p.ticket, "body": p.handles()}) // strings cannot fail
	return string(b)
}

// form returns the same hello as the form that a page posts.
func (p *testPage) form() string {
	return url.Values{"conn": {p.conn}, "ticket": {p.ticket}, "after": {""}, "dates": {"true"}}.Encode() + "&" + p.handles()
}

// handles returns the part of a beat that a hello has: it enters no room.
func (p *testPage) handles() string { return "data%5Bpresence-doctor%5D%5Bscreen%5D=front&idle=0" }

func (p *testPage) beatFrame(id int) string {
	b, _ := json.Marshal(map[string]any{"type": "beat", "id": id, "body": p.beat(true)})
	return string(b)
}

// frame is a frame of heartbeatd, with the fields that the doctor reads.
type frame struct {
	Type    string
	ID      int64
	Status  int
	Body    string
	Room    string
	Session string
	Reason  string
	Code    int
	Joined  []struct {
		UserID int64 `json:"user_id"`
	}
}

// bye returns the bye frame that an answer to a long-poll request consists of.
func (a *answer) bye() (frame, bool) {
	var f frame
	err := json.Unmarshal([]byte(a.body), &f)
	return f, err == nil && f.Type == "bye"
}

// polled is the answer to a poll.
type polled struct {
	ID     int64
	Seq    uint64
	Frames []frame
}

// joined reports whether a user joined a room.
func (f frame) joined(room string, user int64) bool {
	for _, e := range f.Joined {
		if f.Room == room && e.UserID == user {
			return true
		}
	}
	return false
}

// openSession starts a long-poll session. It returns a finding if that fails.
func (d *checkup) openSession(ctx context.Context, p *testPage) *Finding {
	a, welcome, f := d.postHello(ctx, p, nil)
	if f != nil {
		return f
	}
	if bye, isBye := a.bye(); isBye {
		return new(d.diagnoseRefusal(bye.Reason))
	}
	if a.status != http.StatusOK || welcome.Session == "" {
		return new(d.diagnose(a))
	}
	p.session = welcome.Session
	return nil
}

// postHello sends the hello of a page. It returns a finding if there is no answer, or the one to
// another request.
func (d *checkup) postHello(ctx context.Context, p *testPage, header map[string]string) (*answer, frame, *Finding) {
	header = maps.Clone(header)
	if header == nil {
		header = make(map[string]string)
	}
	header["Content-Type"] = formType
	id := unusedID()
	a, err := d.sendTimed(ctx, http.MethodPost, d.urlWith("/open", id), p.form(), header)
	var welcome frame
	switch {
	case err != nil:
		return nil, welcome, new(d.diagnoseError(d.url("/open"), err))
	case json.Unmarshal([]byte(a.body), &welcome) == nil && welcome.Type == "welcome" && welcome.ID != id:
		return nil, welcome, new(d.named("cache-in-front", "A page gets the answer to another page's hello."))
	}
	return a, welcome, nil
}

// newSession makes a page with a long-poll session.
func (d *checkup) newSession(ctx context.Context) (*testPage, *Finding) {
	p, err := d.newPage()
	if err != nil {
		return nil, new(invalidFlag(err))
	}
	return p, d.openSession(ctx, p)
}

// enterRoom sends a beat that enters the page's room. It returns a finding if the beat is not
// answered.
func (d *checkup) enterRoom(ctx context.Context, p *testPage) (*answer, *Finding) {
	id := unusedID()
	a, err := d.sendTimed(ctx, http.MethodPost, d.urlWith("/beat", id, "type=beat"), p.beat(true), map[string]string{
		transport.SessionHeader: p.session, "Content-Type": formType,
	})
	if err != nil {
		return nil, new(d.diagnoseError(d.url("/beat"), err))
	}
	var tick frame
	switch isFrame := json.Unmarshal([]byte(a.body), &tick) == nil; {
	case a.status != http.StatusOK || !isFrame || tick.Type != "tick":
		return nil, new(d.diagnose(a))
	case tick.ID != id:
		return nil, new(d.named("cache-in-front", "A page gets the answer to another page's beat."))
	}
	return a, nil
}

// errOthersAnswer is the error of a poll whose answer is that of another poll.
var errOthersAnswer = errors.New("the answer is that of another request")

// poll polls once for the frames after a sequence number.
func (d *checkup) poll(ctx context.Context, session string, after uint64) (*answer, polled, error) {
	var p polled
	id := unusedID()
	a, err := d.send(ctx, http.MethodGet, d.urlWith("/poll", id, "after="+strconv.FormatUint(after, 10)), "", map[string]string{transport.SessionHeader: session})
	if err == nil && a.status == http.StatusOK {
		if err = json.Unmarshal([]byte(a.body), &p); err == nil && (p.ID != id || p.Seq < after || len(p.Frames) > 0 && p.Seq == after) {
			err = errOthersAnswer
		}
	}
	return a, p, err
}

// leave ends a session at once. One that it cannot end expires.
func (d *checkup) leave(ctx context.Context, p *testPage) {
	_, _ = d.sendTimed(ctx, http.MethodPost, d.urlWith("/beat", unusedID()), `{"type":"leave"}`, map[string]string{transport.SessionHeader: p.session, "Content-Type": jsonType})
}
