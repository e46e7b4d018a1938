package wordpress

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestEscapeJSON writes JSON with the escapes that PHP writes by default, and leaves numbers,
// empty objects and escapes as they are.
func TestEscapeJSON(t *testing.T) {
	for in, want := range map[string]string{
		`"a/b"`:         `"a\/b"`,
		`"a\/b"`:        `"a\/b"`,
		`"\\/"`:         `"\\\/"`,
		`"\"é\""`:       `"\"\u00e9\""`,
		`"😀\u2028<>&'"`: `"\ud83d\ude00\u2028<>&'"`,
		`{ "b" : 1.0, "a":` + "\n\t" + `[ 1e5, {}, [] ] }`: `{"b":1.0,"a":[1e5,{},[]]}`,
		`null`: `null`,
		``:     ``,
	} {
		if got := EscapeJSON(json.RawMessage(in)); string(got) != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestEscapeJSONIsPHPs compares with PHP: the plugin sends values with fewer escapes than a
// tick has.
func TestEscapeJSONIsPHPs(t *testing.T) {
	const code = `$v = array('é/ü' => "a\\b\"c\n</script>\u{1F600}\u{2028}\x7f", 'n' => array(1.0, 0.1, 1e25, -0.0, true, null, array(), new stdClass), '5' => '');
		echo json_encode($v, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE), "\n", json_encode($v);`
	out, err := phpCommand(t, "-r", code).Output()
	if err != nil {
		t.Fatal(err)
	}
	sent, want, _ := strings.Cut(string(out), "\n")
	if got := EscapeJSON(json.RawMessage(sent)); string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}
