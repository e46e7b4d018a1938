package transport

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
)

func formRequest(path, body string) (*http.Request, []byte) {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", formType)
	return r, []byte(body)
}

// TestHelloFormMemory checks that a form of many empty pairs takes a small multiple of its
// size in memory, since its ticket is not checked yet.
func TestHelloFormMemory(t *testing.T) {
	r, b := formRequest("/open", strings.Repeat("&", MaxFrame))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	hello, err := readHello(r, b)
	runtime.ReadMemStats(&after)
	if err != nil || hello.Body != string(b) {
		t.Errorf("read %d bytes of %d, %v", len(hello.Body), len(b), err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*MaxFrame {
		t.Errorf("%d bytes allocated for a form of %d", used, MaxFrame)
	}
}

// TestHelloFormDates checks that a page says in a form that it understands dates.
func TestHelloFormDates(t *testing.T) {
	for form, want := range map[string]Hello{
		"ticket=t&dates=true&idle=0": {Ticket: "t", Body: "idle=0", Dates: true},
		"ticket=t&dates=false":       {Ticket: "t"},
	} {
		if hello, err := readHello(formRequest("/open", form)); err != nil || hello != want {
			t.Errorf("%s: %+v, %v", form, hello, err)
		}
	}
}

// TestHelloFormBody checks that the fields of the hello's body stay unchanged.
func TestHelloFormBody(t *testing.T) {
	for name, c := range map[string]struct{ form, body string }{
		"no body":           {"ticket=t", ""},
		"broken escapes":    {"a=%zz&ticket=t&b=100%", "a=%zz&b=100%"},
		"empty pairs":       {"a&&ticket=t&b=1&", "a&&b=1&"},
		"escaped ticket":    {"ticket=%74&idle=0", "idle=0"},
		"ticket at the end": {"idle=0&ticket=t", "idle=0"},
	} {
		t.Run(name, func(t *testing.T) {
			if hello, err := readHello(formRequest("/open", c.form)); err != nil || hello != (Hello{Ticket: "t", Body: c.body}) {
				t.Errorf("%+v, %v", hello, err)
			}
		})
	}
}
