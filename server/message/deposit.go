package message

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// MaxValue is the maximum number of bytes of a deposited value.
	MaxValue = 16 << 10
	// MaxTTL is the maximum time for which a value is deposited.
	MaxTTL = time.Hour
)

// Deposit is a value that a back end has deposited. heartbeatd answers a handle with it.
type Deposit struct {
	To      Target          `json:"to"`
	Handle  string          `json:"handle"`
	Value   json.RawMessage `json:"value"`    // as PHP writes JSON; null withdraws the deposit
	UntilMS int64           `json:"until_ms"` // Unix ms
	// KeepMS is the Unix ms until which NATS keeps the message: until no node can have a
	// deposit that it replaces.
	KeepMS int64 `json:"keep_ms,omitempty"`
	// StoredNS is set in a message that a node has written again because NATS had lost it: the
	// Unix ns at which NATS stored it first.
	StoredNS int64 `json:"stored_ns,omitempty"`
}

// DecodeDeposit reads a message of the topic topic.Deposits, and checks it: everybody who may
// write to NATS can send one.
func DecodeDeposit(data []byte) (d Deposit, err error) {
	if err := json.Unmarshal(data, &d); err != nil {
		return d, err
	}
	if len(d.Value) == 0 || len(d.Value) > MaxValue {
		return d, fmt.Errorf("a value has 1 to %d bytes, not %d", MaxValue, len(d.Value))
	}
	if err := cmp.Or(CheckHandle(d.Handle), CheckJSON("a value", d.Value)); err != nil {
		return d, err
	}
	return d, d.To.Check()
}

// IsWithdrawal reports whether d ends a deposit.
func (d Deposit) IsWithdrawal() bool { return string(d.Value) == "null" }

// Key names what d replaces: the last deposit with the same target and handle.
func (d Deposit) Key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%s\x00%t\x00%s", d.To.Room, d.To.User, d.To.Can, d.To.All, d.Handle))
	return hex.EncodeToString(sum[:16])
}

// Encode returns d as JSON, with the bytes of its value unchanged.
func (d Deposit) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(d)
	return b.Bytes(), err
}

// handleName matches the handles that a back end may deposit a value for.
var handleName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./:-]{0,99}$`)

// reservedHandles are handles and members of a tick to which WordPress gives a meaning.
var reservedHandles = []string{
	"wp-auth-check", "server_time", "heartbeat_nonce", "heartbeat_interval", "rest_nonce", "nonces_expired",
	"wp-check-locked-posts", "wp-refresh-post-lock", "wp_autosave", "wp-refresh-post-nonces", "wp-refresh-metabox-loader-nonces",
	"check_changeset_lock", "changeset_uuid", "customize_changeset_lock_user",
}

// CheckHandle reports why a back end may not deposit a value for a handle.
func CheckHandle(handle string) error {
	switch {
	case !handleName.MatchString(handle):
		return errors.New("handle must have 1 to 100 of A-Z a-z 0-9 _ . / : - and begin with a letter or _")
	case slices.Contains(reservedHandles, handle), strings.HasPrefix(handle, "presence-"):
		return fmt.Errorf("handle %s belongs to WordPress or heartbeatd", handle)
	}
	return nil
}
