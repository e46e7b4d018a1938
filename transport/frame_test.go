package transport

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\/`, "\x00\x1f\x7f", "é😀", "\xff", `{"a":"\u00e9"}`, "\u2028", "<b>&"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		encoded := AppendString(nil, s)
		var got string
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatalf("%q became %s: %v", s, encoded, err)
		}
		if want := strings.ToValidUTF8(s, "\ufffd"); got != want && strings.ToValidUTF8(got, "") != strings.ToValidUTF8(want, "") {
			t.Errorf("%q came back as %q", s, got)
		}
		if twice := AppendString([]byte("x"), []byte(s)); string(twice) != "x"+string(encoded) {
			t.Errorf("as bytes: %s", twice)
		}
	})
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte(`{"type":"beat","id":7,"body":"a=1"}`))
	f.Add([]byte(`{"type":"hello","ticket":"t","conn":"c","after":"1-2","body":""}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		parsed, err := parseFrame(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(parsed)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := parseFrame(again); err != nil || back != parsed {
			t.Errorf("%q is %+v, written and read again %+v, %v", b, parsed, back, err)
		}
	})
}

// TestCodesAreDocumented compares the table in the docs with the code.
func TestCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := CodeProtocol; code <= CodeLeft; code++ {
		if !strings.Contains(string(doc), "\n| "+strconv.Itoa(code)+" |") {
			t.Errorf("docs/protocol.md does not have code %d in its table", code)
		}
	}
	if strings.Count(string(doc), "\n| 40") != CodeLeft-CodeProtocol+1 {
		t.Error("docs/protocol.md has a code that the code does not have")
	}
}
