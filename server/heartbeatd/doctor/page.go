package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
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

// newPage makes a page, and signs its ticket as WordPress does, by the site's clock.
func (d *checkup) newPage() (*testPage, error) {
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

// unusedID returns an ID that no user and no post has.
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

// helloWithoutTicket is a hello that heartbeatd refuses.
const helloWithoutTicket = `{"type":"hello","conn":"doctor-without-ticket","ticket":"none"}`

func (p *testPage) hello() string {
	b, _ := json.Marshal(map[string]string{"type": "hello", "conn": p.conn, "ticket": p.ticket}) // strings cannot fail
	return string(b)
}

func (p *testPage) beatFrame(id int) string {
	b, _ := json.Marshal(map[string]any{"type": "beat", "id": id, "body": p.beat(true)})
	return string(b)
}

// frame is a frame of heartbeatd, with the fields that the doctor reads.
type frame struct {
	Type    string
	ID      int
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
	url := d.url("/open")
	a, err := d.sendTimed(ctx, http.MethodPost, url, p.hello(), map[string]string{"Content-Type": "application/json"})
	if err != nil {
		f := d.diagnoseError(url, err)
		return &f
	}
	var welcome frame
	if json.Unmarshal([]byte(a.body), &welcome) == nil && a.status == http.StatusOK && welcome.Session != "" {
		p.session = welcome.Session
		return nil
	}
	var f Finding
	if bye, isBye := a.bye(); isBye {
		f = d.diagnoseRefusal(bye.Reason)
	} else {
		f = d.diagnose(a)
	}
	return &f
}

// newSession makes a page with a long-poll session.
func (d *checkup) newSession(ctx context.Context) (*testPage, *Finding) {
	p, err := d.newPage()
	if err != nil {
		f := invalidFlag(err)
		return nil, &f
	}
	return p, d.openSession(ctx, p)
}

// enterRoom sends a beat that enters the page's room. It returns a finding if the beat is not
// answered.
func (d *checkup) enterRoom(ctx context.Context, p *testPage) (*answer, *Finding) {
	a, err := d.sendTimed(ctx, http.MethodPost, d.url("/beat?type=beat&id=1"), p.beat(true), map[string]string{
		transport.SessionHeader: p.session, "Content-Type": formType,
	})
	switch {
	case err != nil:
		f := d.diagnoseError(d.url("/beat"), err)
		return nil, &f
	case a.status != http.StatusOK || !strings.Contains(a.body, `"type":"tick"`):
		f := d.diagnose(a)
		return nil, &f
	}
	return a, nil
}

// poll polls once for the frames after a sequence number.
func (d *checkup) poll(ctx context.Context, session string, after uint64) (*answer, polled, error) {
	var p polled
	a, err := d.send(ctx, http.MethodGet, d.url("/poll?after="+strconv.FormatUint(after, 10)), "", map[string]string{transport.SessionHeader: session})
	if err == nil && a.status == http.StatusOK {
		err = json.Unmarshal([]byte(a.body), &p)
	}
	return a, p, err
}

// leave ends a session at once. One that it cannot end expires.
func (d *checkup) leave(ctx context.Context, p *testPage) {
	_, _ = d.sendTimed(ctx, http.MethodPost, d.url("/beat"), `{"type":"leave"}`, map[string]string{transport.SessionHeader: p.session})
}
