package wordpress

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// seeds are the seeds of a differential test: fixed ones, and HEARTBEAT_SEED. A
// seed that found a difference belongs among the fixed ones.
func seeds(t *testing.T) []uint64 {
	all := []uint64{1, 2, 3, 4}
	if text := os.Getenv("HEARTBEAT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("HEARTBEAT_SEED: %v", err)
		}
		all = append(all, seed)
	}
	t.Logf("seeds: %d", all)
	return all
}

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// formTokens are the parts of generated bodies: everything that has a meaning to PHP's
// parser, plain, escaped and malformed.
var formTokens = []string{
	"a", "b", "a", "data", "x.y", ".", " ", "+", "%20", "_", "__Host-", "_.Host-", "_[Host-", "__Secure-", ".[Secure-",
	"[", "]", "[]", "[ ]", "[+]", "[\t]", "[%0b]", "[\v\v]", "[a]", "[ a]", "[a ]", "[a.b]", "[a[b]", "[__Host-]", "[[", "]]", "%5B", "%5d", "%5B%5D",
	"[0]", "[1]", "[5]", "[-5]", "[08]", "[-0]", "[1.5]", "[0x1]", "[1e1]", "[9223372036854775806]", "[9223372036854775807]",
	"[9223372036854775808]", "[-9223372036854775807]", "[-9223372036854775808]", "[-9223372036854775809]", "[18446744073709551616]",
	"=", "=", "=", "==", "%3D", "&", "&", "&", "&&", "%26", ";", "=1", "=2&", "=&",
	"%00", "\x00", "%", "%%", "%4", "%zz", "%4g", "%C3%A9", "é", "\xff", "%ff", "'", "\"", "\\", "%5C", "<", "\r\n", "0", "7",
	"data[presence-ping][screen]=dashboard", "data%5Bwp_autosave%5D%5Bpost_id%5D=42", "&_nonce=0123456789", "&has_focus=true", "&data[]=",
}

// realBodies are beats as core's client writes them.
var realBodies = []string{
	"data%5Bpresence-ping%5D%5Bscreen%5D=dashboard&interval=60&_nonce=a1b2c3d4e5&action=heartbeat&screen_id=dashboard&has_focus=true",
	"data%5Bwp-check-locked-posts%5D%5B%5D=post-5&data%5Bwp-check-locked-posts%5D%5B%5D=post-7&interval=10&_nonce=a1b2c3d4e5&action=heartbeat&screen_id=edit-post&has_focus=false",
	"data%5Bwp-refresh-post-lock%5D%5Bpost_id%5D=42&data%5Bwp-refresh-post-lock%5D%5Block%5D=1795411200%3A1&data%5Bwp_autosave%5D%5Bpost_title%5D=%C3%9Cber+uns%20100%25&interval=10&_nonce=a1b2c3d4e5&action=heartbeat&screen_id=post&has_focus=true",
}

// generateBody makes a form body: of tokens, or a real one changed a little, or
// one about as large or as deep as PHP's limits.
func generateBody(r *rand.Rand) []byte {
	switch n := r.IntN(200); {
	case n == 0:
		return manyVars(r)
	case n < 4:
		return deepVars(r)
	case n < 60:
		return mutate(r, []byte(pick(r, realBodies)))
	}
	var body []byte
	for range r.IntN(24) {
		body = append(body, pick(r, formTokens)...)
	}
	if r.IntN(4) == 0 {
		body = mutate(r, body)
	}
	return body
}

func manyVars(r *rand.Rand) []byte {
	var body []byte
	name := pick(r, []string{"N", "a[N]", "a[]", "a[kN]", "a[b][N]", "&kN"})
	for i := range 995 + r.IntN(12) {
		body = append(body, strings.ReplaceAll(name, "N", strconv.Itoa(i))+"=1&"...)
	}
	return body
}

func deepVars(r *rand.Rand) []byte {
	var body []byte
	for range 1 + r.IntN(4) {
		name := pick(r, []string{"a", "b.c", "0"})
		body = append(body, name+strings.Repeat(pick(r, []string{"[]", "[x]", "[0]"}), 61+r.IntN(7))...)
		body = append(body, pick(r, []string{"=1&", "[=1&", "[x=1&", "]=2&", "[%00]=3&", "&"})...)
		body = append(body, pick(r, []string{"", name + "=1&", name + "[]=2&", "z=1&"})...)
	}
	return body
}

// mutate changes, removes, repeats or inserts a few bytes.
func mutate(r *rand.Rand, body []byte) []byte {
	body = bytes.Clone(body)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(body) + 1)
		to := min(len(body), at+r.IntN(8))
		switch r.IntN(4) {
		case 0:
			body = append(body[:at:at], body[to:]...)
		case 1:
			body = append(body[:to:to], body[at:]...)
		case 2:
			body = append(body[:at:at], append([]byte(pick(r, formTokens)), body[at:]...)...)
		case 3:
			if at < len(body) {
				body[at] = byte(r.Uint32())
			}
		}
	}
	return body
}

var stringPieces = []string{
	"", "a", "0", "-0", "5", "plain words", "/", "\\", "\"", "'", "<b>&", "\b\f\n\r\t", "\x00", "\x1f", "\x7f", "é", "ß", "名前", "\u2028",
	"\ud7ff", "\ue000", "\ufeff", "\ufffd", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff",
}

var badPieces = []string{
	"\xff", "\xc0\x80", "\xc3", "\xe2\x8c", "\xe2\x8c.", "\xed\xa0\x80", "\xf0\x9f\x98", "\xf0\x9f", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xc3\xe9",
}

func generateString(r *rand.Rand) string {
	var s strings.Builder
	for range r.IntN(5) {
		switch r.IntN(60) {
		case 0:
			s.WriteString(pick(r, badPieces))
		case 1:
			s.WriteByte(byte(r.Uint32()))
		case 2, 3, 4:
			s.WriteRune(rune(r.IntN(0x110000)))
		default:
			s.WriteString(pick(r, stringPieces))
		}
	}
	return s.String()
}

func generateKey(r *rand.Rand, i int) string {
	switch r.IntN(4) {
	case 0:
		return fmt.Sprint(i)
	case 1:
		return pick(r, []string{"-5", "08", "-0", "", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1.5", " 1"})
	}
	return generateString(r)
}

// generateValue makes a value for AppendJSON, without a json.RawMessage.
func generateValue(r *rand.Rand, depth int) any {
	n := r.IntN(16)
	if n > 9 && depth == 0 {
		n = 9
	}
	switch n {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return r.IntN(2000) - 1000
	case 3:
		return pick(r, []int64{math.MinInt64, math.MaxInt64, 0, 1 << 53, int64(r.Uint64())})
	case 4:
		return pick(r, []uint64{math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64, r.Uint64()})
	case 5, 6:
		return generateFloat(r)
	case 7, 8, 9:
		return generateString(r)
	case 10:
		values := make([]string, r.IntN(4))
		for i := range values {
			values[i] = generateString(r)
		}
		return values
	}
	array := NewArray()
	keyed := r.IntN(2) == 0
	for i := range r.IntN(12) {
		if keyed {
			array.Set(generateKey(r, i), generateValue(r, depth-1))
		} else {
			array.Append(generateValue(r, depth-1))
		}
	}
	if r.IntN(8) == 0 {
		array.Delete(fmt.Sprint(r.IntN(12)))
	}
	return array
}

func generateFloat(r *rand.Rand) float64 {
	switch r.IntN(8) {
	case 0:
		return float64(r.IntN(2000)-1000) / 8
	case 1:
		return math.Ldexp(1, r.IntN(2098)-1074)
	case 2:
		return math.Float64frombits(r.Uint64N(1 << 52))
	case 3:
		return math.Float64frombits(r.Uint64())
	case 4:
		return float64(r.IntN(100)-50) * math.Pow10(r.IntN(50)-25)
	case 5:
		return math.Trunc(float64(r.Uint64()) / 100)
	case 6:
		return r.NormFloat64()
	}
	return pick(r, []float64{0, math.Copysign(0, -1), 0.1, 1e17, 1e16, 99999999999999984, 1e-4, 9.9999e-5, 1e-5, -1e25, 5e-324, math.MaxFloat64, math.Nextafter(1e17, 0)})
}

// generateJSON makes JSON text as others may write it, now and then broken.
func generateJSON(r *rand.Rand) []byte {
	text := appendAnyJSON(r, nil, 5)
	if r.IntN(6) == 0 {
		text = mutate(r, text)
	}
	return text
}

var numbers = []string{"0", "-0", "-0.0", "-0e1", "1", "-7", "1.0", "1.50", "1E+5", "1e-7", "12345678901234567890", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1e400", "-1e-400", "0.1e1", "100000000000000000.0"}

var jsonStrings = []string{`""`, `"a"`, `"0"`, `"5"`, `"08"`, `"-5"`, `"\u0000"`, `"\u0000a"`, `"\u00e9"`, `"é"`, `"\ud83d\ude00"`, `"\uD83D\uDE00x"`, `"\ud800"`, `"\ude00"`, `"\ud83d\\ude00"`, `"\\ud800"`, `"\/"`, `"/"`, `"\b\f\n\r\t\"\\"`, "\"\x7f\"", "\"\xff\"", `"\ufffd"`, `"\uffff"`}

func appendAnyJSON(r *rand.Rand, dst []byte, depth int) []byte {
	space := pick(r, []string{"", "", "", " ", "\n\t", "\r"})
	dst = append(dst, space...)
	n := r.IntN(8)
	if depth == 0 {
		n %= 4
	}
	switch n {
	case 0:
		return append(dst, pick(r, []string{"null", "true", "false"})...)
	case 1:
		return append(append(dst, pick(r, numbers)...), space...)
	case 2:
		return strconv.AppendFloat(dst, generateFloat(r), 'g', -1, 64)
	case 3:
		return append(dst, pick(r, jsonStrings)...)
	}
	object := r.IntN(2) == 0
	dst = append(dst, map[bool]byte{true: '{', false: '['}[object])
	for i := range r.IntN(4) {
		if i > 0 {
			dst = append(dst, ',')
		}
		if object {
			key := pick(r, append(jsonStrings, strconv.Quote(strconv.Itoa(i))))
			dst = append(append(append(dst, key...), space...), ':')
		}
		dst = appendAnyJSON(r, dst, depth-1)
	}
	return append(append(dst, space...), map[bool]byte{true: '}', false: ']'}[object])
}
