// Package presence has the data types of presence: keys, entries and stored values, and the
// folding of keys to people in rooms. It does not use NATS.
package presence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxKey is the limit of a key in bytes. NATS limits the length of the protocol line that
// has the subject, and closes a connection that writes a longer one.
const maxKey = 1024

const hashLen = 2 * sha256.Size

// SubjectPrefix is the prefix of the subjects under which keys are republished.
const SubjectPrefix = "presence."

// Key names one browser page (Conn, a connection id) of one client id in one room of one
// site.
type Key struct{ Site, Room, ClientID, Conn string }

// String returns the key in the bucket, at most 1,023 bytes of [A-Za-z0-9_.=-]:
//
//	<site>.<room tokens>.<client id>.<connection id>
//
// A room's "/" separates tokens; in a token every byte outside [A-Za-z0-9_-]
// is "=XX", and an empty token is "=". If the key would be longer, its client id is
// replaced by its sha256 in hex, and if that is not enough, the room (as one token), the
// connection id and the site too. The entry has the originals.
func (k Key) String() string {
	var usual [usualKey]byte // on the stack
	return string(k.Append(usual[:0]))
}

// usualKey is longer than most keys are.
const usualKey = 256

// Append appends what String returns.
func (k Key) Append(dst []byte) []byte {
	b := append(appendToken(dst, k.Site), '.')
	b = append(appendRoom(b, k.Room), '.')
	b = append(appendToken(b, k.ClientID), '.')
	if b = appendToken(b, k.Conn); len(b)-len(dst) < maxKey {
		return b
	}
	return append(dst, k.shortened()...)
}

func (k Key) shortened() string {
	parts := [4]string{EncodeToken(k.Site), string(appendRoom(nil, k.Room)), EncodeToken(k.ClientID), EncodeToken(k.Conn)}
	plain := [4]string{k.Site, k.Room, k.ClientID, k.Conn}
	for _, i := range [...]int{2, 1, 3, 0} {
		if length(parts) < maxKey {
			break
		}
		if len(parts[i]) > hashLen {
			sum := sha256.Sum256([]byte(plain[i]))
			parts[i] = hex.EncodeToString(sum[:])
		}
	}
	return strings.Join(parts[:], ".")
}

func length(parts [4]string) int {
	return len(parts[0]) + len(parts[1]) + len(parts[2]) + len(parts[3]) + 3
}

// ParseKey parses what String returns, and nothing else, so that a key has one spelling
// only. Where String wrote a hash, the field is the hash.
func ParseKey(s string) (Key, error) {
	tokens := strings.Split(s, ".")
	n := len(tokens)
	if n < 4 {
		return Key{}, fmt.Errorf("presence key %q: want site, room, client id and connection id", s)
	}
	for i, token := range tokens {
		plain, ok := DecodeToken(token)
		if !ok {
			return Key{}, fmt.Errorf("presence key %q: bad token %q", s, token)
		}
		tokens[i] = plain
	}
	k := Key{Site: tokens[0], Room: strings.Join(tokens[1:n-2], "/"), ClientID: tokens[n-2], Conn: tokens[n-1]}
	if k.String() != s {
		return Key{}, fmt.Errorf("presence key %q: not in its canonical form", s)
	}
	return k, nil
}

// ParseSubject parses the subject of a republished key, below "presence.".
func ParseSubject(subject string) (Key, error) {
	key, ok := strings.CutPrefix(subject, SubjectPrefix)
	if !ok {
		return Key{}, fmt.Errorf("subject %q is not below %q", subject, SubjectPrefix)
	}
	return ParseKey(key)
}

// KeyFilter matches all keys of a site, or of all sites if site is empty.
func KeyFilter(site string) string {
	if site == "" {
		return ">"
	}
	return EncodeToken(site) + ".>"
}

func appendRoom(b []byte, room string) []byte {
	for {
		token, rest, more := strings.Cut(room, "/")
		if b = appendToken(b, token); !more {
			return b
		}
		b, room = append(b, '.'), rest
	}
}

const upperHex = "0123456789ABCDEF"

// EncodeToken returns a token that stands for s in a key or a subject. DecodeToken returns s.
func EncodeToken(s string) string { return string(appendToken(nil, s)) }

func appendToken(b []byte, s string) []byte {
	if s == "" {
		return append(b, '=')
	}
	for i := range len(s) {
		if c := s[i]; plainByte(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// DecodeToken parses a token. It accepts more than EncodeToken writes; ParseKey compares
// the result.
func DecodeToken(token string) (string, bool) {
	if token == "=" {
		return "", true
	}
	if !strings.Contains(token, "=") {
		return token, true
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b.WriteByte(token[i])
			continue
		}
		if i+2 >= len(token) {
			return "", false
		}
		c, err := hex.DecodeString(token[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b.WriteByte(c[0])
		i += 2
	}
	return b.String(), true
}
