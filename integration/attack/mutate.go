//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// source makes the random choices of one case. The same seed and index make the same choices.
type source struct{ *rand.Rand }

func newSource(seed, index uint64) source { return source{rand.New(rand.NewPCG(seed, index))} }

// chance returns true once in n times.
func (s source) chance(n int) bool { return s.IntN(n) == 0 }

func pick[T any](s source, list []T) T { return list[s.IntN(len(list))] }

// tokens are inserted into inputs: they have a meaning for one of the parsers, or are at the
// limit of one.
var tokens = []string{
	"\x00", "\r\n", "\n", "\t", " ", "%00", "%0d%0a", "%", "%zz", "+", "&", "=", "[", "]", "[]", "[a][b]", "[[", ";", ",", ":", "|",
	`"`, `\`, `\"`, `\u0000`, `\ud800`, `\udc00\ud800`, "{", "}", "[{", "]}", "null", "true", "{}", `""`, `,"a":1`, `"type":"leave",`,
	"-1", "0", "00", "1e999", "1.5", "-0", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
	"é", "\xff", "\xc0\x80", "\xed\xa0\x80", "\xe2\x80\xa8", "\U0001F600", "\xef\xbb\xbf",
	"../", "//", "/", ".", "=", "=00", "=2E", "*", ">", "$JS.API", "postType/", "postType/post:42", "admin/online",
	"<script>alert(1)</script>", "__proto__", "toString", "constructor", "user-1", "data%5B", "%5B", "%5D",
}

// mutate returns a copy of b with up to four changes.
func (s source) mutate(b []byte) []byte {
	b = bytes.Clone(b)
	for range s.IntN(5) {
		b = s.change(b)
	}
	return b
}

func (s source) mutateText(text string) string { return string(s.mutate([]byte(text))) }

// maxInput is the largest number of bytes up to which an input grows.
const maxInput = 300 << 10

// change makes one change.
func (s source) change(b []byte) []byte {
	if len(b) == 0 {
		return []byte(pick(s, tokens))
	}
	from := s.IntN(len(b))
	to := from + s.IntN(min(len(b)-from, 64)+1)
	switch s.IntN(10) {
	case 0:
		b[from] ^= 1 << s.IntN(8)
	case 1:
		b[from] = byte(s.IntN(256))
	case 2:
		return append(b[:from], b[to:]...)
	case 3: // a part twice
		return bytes.Join([][]byte{b[:to], b[from:]}, nil)
	case 4, 5:
		return s.insert(b, from, pick(s, tokens))
	case 6:
		return bytes.Join([][]byte{b[:from], b[to:], []byte(pick(s, tokens))}, nil)
	case 7: // cut off
		return b[:from]
	case 8: // a part many times
		if part := b[from:to]; len(part) > 0 && s.chance(4) {
			return s.insert(b, from, strings.Repeat(string(part), s.IntN(1000)))
		}
	case 9:
		if s.chance(4) {
			return s.insert(b, from, s.deep())
		}
		return s.insert(b, from, fmt.Sprint(s.Int64()))
	}
	return b
}

func (s source) insert(b []byte, at int, text string) []byte {
	if len(b)+len(text) > maxInput {
		return b
	}
	return bytes.Join([][]byte{b[:at], []byte(text), b[at:]}, nil)
}

// deep returns a nested or a long text.
func (s source) deep() string {
	n := 1 << s.IntN(14)
	switch s.IntN(4) {
	case 0:
		return strings.Repeat("[", n)
	case 1:
		return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
	case 2:
		return "data" + strings.Repeat("%5Ba%5D", n)
	}
	return strings.Repeat("x", n)
}
