package wordpress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseForm(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"", `[]`},
		{"a=1&b=2&a=3", `{"a":"3","b":"2"}`},
		{"a&b=&=c&&d==e", `{"a":"","b":"","d":"=e"}`},
		{"a[]=1&a[]=2&a[x]=3&a[]=4", `{"a":{"0":"1","1":"2","x":"3","2":"4"}}`},
		{"a[b][c]=1&a[b]=2&a=3&a[d]=4", `{"a":{"d":"4"}}`},
		{"data%5Bwp_autosave%5D%5Bpost_id%5D=42", `{"data":{"wp_autosave":{"post_id":"42"}}}`},
		{" a.b c=1&a[b.c d]=2", `{"a_b_c":"1","a":{"b.c d":"2"}}`},
		{"a[b=1&c[d.e[f=2&g[h][i=3&[=4&]=5", `{"a_b":"1","c_d_e_f":"2","g":{"h":"3"},"]":"5"}`},
		{"a[b]c[d]=1&a[[e]=2&a[ ]=3&a[ f]=4", `{"a":{"b":"1","[e":"2","0":"3"," f":"4"}}`},
		{"a%00b=1%00&%00=2", `{"a":"1\u0000"}`},
		{"a=%4&b=%zz&c=%&d=%41+%2B", `{"a":"%4","b":"%zz","c":"%","d":"A +"}`},
		{"_.Host-a=1&__Host-a=2&_[Secure-a=3", `{"__Host-a":"2"}`},
	} {
		if got, err := AppendJSON(nil, ParseForm([]byte(c.body))); err != nil || string(got) != c.want {
			t.Errorf("%q\n got %s, %v\nwant %s", c.body, got, err, c.want)
		}
	}
}

func TestFormLimits(t *testing.T) {
	many := []byte(strings.Repeat("a[]=1&", 5000))
	if got := ParseForm(many).Array("a").Len(); got != maxInputVars+1 {
		t.Errorf("a body of 5000 gives %d", got)
	}
	if got := ParseQuery(string(many)).Array("a").Len(); got != maxInputVars {
		t.Errorf("a query of 5000 gives %d", got)
	}
	deep := strings.Repeat("[x]", maxInputNestingLevel)
	if got := ParseForm([]byte("b=0&a" + deep + "=1")); got.Array("a") == nil {
		t.Error("64 levels are too many")
	}
	// The earlier value of the name is lost as well.
	if got := keys(ParseForm([]byte("b=0&a=1&a" + deep + "[x]=1"))); len(got) != 1 || got[0] != "b" {
		t.Errorf("65 levels leave %q", got)
	}
}

// hostileForms returns bodies of a given size that take the parser longest.
func hostileForms(size int) map[string][]byte {
	fill := func(s string) []byte { return bytes.Repeat([]byte(s), size/len(s)+1)[:size] }
	var wide bytes.Buffer
	for i := range maxInputVars {
		fmt.Fprintf(&wide, "a[%d]%s=1&", i, strings.Repeat("[x]", maxInputNestingLevel-1))
	}
	return map[string][]byte{
		"separators": fill("&"),
		"brackets":   append([]byte("a"), fill("[")...),
		"opened":     fill("a[b[c["),
		"indexes":    append([]byte("a"), fill("[b]")...),
		"appends":    append([]byte("a"), fill("[]")...),
		"spaces":     fill(" "),
		"escapes":    fill("%41"),
		"broken":     fill("%4"),
		"variables":  fill("a[b]=1&"),
		"deleted":    fill("a=1&a" + strings.Repeat("[]", maxInputNestingLevel+1) + "=1&"),
		"wide":       append(wide.Bytes(), fill("x")...),
	}
}

// TestParseFormIsLinear checks that an eight times larger body takes about eight times as
// long, not 64 times.
func TestParseFormIsLinear(t *testing.T) {
	const size = 64 << 10
	large := hostileForms(8 * size)
	for name, body := range hostileForms(size) {
		small, large := fastest(body), fastest(large[name])
		if large > 32*small+5*time.Millisecond {
			t.Errorf("%s: %v for %d bytes, %v for 8 times as much", name, small, size, large)
		}
	}
}

func fastest(body []byte) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range 5 {
		start := time.Now()
		ParseForm(body)
		best = min(best, time.Since(start))
	}
	return best
}

func BenchmarkParseForm(b *testing.B) {
	bodies := hostileForms(1 << 20)
	for i, body := range realBodies {
		bodies[fmt.Sprint("beat", i)] = []byte(body)
	}
	for name, body := range bodies {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				ParseForm(body)
			}
		})
	}
}
