package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxKey is the limit of a key in bytes. The line of the NATS protocol that carries the
// subject has a limit of its own: a longer key closes the connection that wrote it.
const maxKey = 1024

const hashLen = 2 * sha256.Size

// subjects is the prefix under which the bucket is republished.
const subjects = "presence."

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
	return string(k.appendTo(usual[:0]))
}

// usualKey is longer than most keys are.
const usualKey = 256

func (k Key) appendTo(empty []byte) []byte {
	b := append(appendToken(empty, k.Site), '.')
	b = append(appendRoom(b, k.Room), '.')
	b = append(appendToken(b, k.ClientID), '.')
	if b = appendToken(b, k.Conn); len(b) < maxKey {
		return b
	}
	return append(empty, k.shortened()...)
}

func (k Key) shortened() string {
	parts := [4]string{encodeToken(k.Site), string(appendRoom(nil, k.Room)), encodeToken(k.ClientID), encodeToken(k.Conn)}
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
		plain, ok := decodeToken(token)
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
	key, ok := strings.CutPrefix(subject, subjects)
	if !ok {
		return Key{}, fmt.Errorf("subject %q is not below %q", subject, subjects)
	}
	return ParseKey(key)
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

func encodeToken(s string) string { return string(appendToken(nil, s)) }

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

// decodeToken accepts more than appendToken writes. ParseKey compares the result.
func decodeToken(token string) (string, bool) {
	if token == "=" {
		return "", true
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
