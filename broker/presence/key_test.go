package presence

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestKeyString(t *testing.T) {
	for _, c := range []struct {
		key  Key
		want string
	}{
		{Key{"default", "admin/online", "user-1", "a1"}, "default.admin.online.user-1.a1"},
		{Key{"default", "postType/post:42", "editor-7", "a1"}, "default.postType.post=3A42.editor-7.a1"},
		{Key{"my.site", "a b", "ünï", "*>"}, "my=2Esite.a=20b.=C3=BCn=C3=AF.=2A=3E"},
		{Key{"", "", "", ""}, "=.=.=.="},
		{Key{"s", "/a//b/", "=", "\x00"}, "s.=.a.=.b.=.=3D.=00"},
	} {
		t.Run(c.want, func(t *testing.T) {
			got := c.key.String()
			if got != c.want {
				t.Errorf("%+q: %s, want %s", c.key, got, c.want)
			}
			if back, err := ParseKey(got); err != nil || back != c.key {
				t.Errorf("ParseKey(%s) = %+q, %v", got, back, err)
			}
			if back, err := ParseSubject("presence." + got); err != nil || back != c.key {
				t.Errorf("ParseSubject(presence.%s) = %+q, %v", got, back, err)
			}
		})
	}
}

func TestLongKeysAreHashed(t *testing.T) {
	hash := regexp.MustCompile(`^[0-9a-f]{64}$`)
	long := strings.Repeat("ü", 170) // 340 bytes, 1,020 in a key
	for _, c := range []struct {
		name   string
		key    Key
		hashed string // which of site, room, client id, connection id
	}{
		{"nothing", Key{"s", "r", "u", "c"}, ""},
		{"client id", Key{"s", "r", long, "c"}, "u"},
		{"room", Key{"s", long, "u", "c"}, "r"},
		{"room of many tokens", Key{"s", strings.Repeat("a/", 600), "u", "c"}, "r"},
		{"client id, which is enough", Key{"s", long[:200], long[:200], "c"}, "u"},
		{"client id and room", Key{"s", long, long, "c"}, "ru"},
		{"all", Key{long, long, long, long}, "sruc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.key.String()
			tokens := strings.Split(s, ".")
			got := ""
			for i, name := range []string{"s", "r", "u", "c"} {
				if len(tokens) == 4 && hash.MatchString(tokens[i]) {
					got += name
				}
			}
			if got != c.hashed || len(s) >= maxKey {
				t.Errorf("hashed %q, want %q, in %d bytes", got, c.hashed, len(s))
			}
			if back, err := ParseKey(s); err != nil || back.String() != s {
				t.Errorf("parsed as %v, %v", back, err)
			}
		})
	}
	if (Key{"s", "r", long + "1", "c"}).String() == (Key{"s", "r", long + "2", "c"}).String() {
		t.Error("two long client ids have one key")
	}
}

// TestParseKeyIsStrict checks that ParseKey accepts only what String returns.
func TestParseKeyIsStrict(t *testing.T) {
	for _, s := range []string{
		"", ".", "a", "a.b.c", "a.b..c", ".a.b.c", "a.b.c.", "a.b.c.=4", "a.b.c.=G0", "a.b.c.=41", "a.b.c.=3a",
		"a.b.c.==", "a.b.c.x y", "a.b.c.*", "a.b.>.c", "a.b.c.ü", "a.b.c.a/b", "a.b.c." + strings.Repeat("x", 1100),
		"a.b.c.=2F=", "a.b.c.x=",
	} {
		t.Run(s, func(t *testing.T) {
			if k, err := ParseKey(s); err == nil {
				t.Errorf("parsed as %+q", k)
			}
		})
	}
	if _, err := ParseSubject("somewhere.a.b.c.d"); err == nil {
		t.Error("ParseSubject accepts a subject without the prefix")
	}
}

var validKey = regexp.MustCompile(`^[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]+){3,}$`)

func checkKey(t *testing.T, k Key) {
	t.Helper()
	s := k.String()
	if len(s) >= maxKey || !validKey.MatchString(s) {
		t.Fatalf("the key of %+q is not valid: %q", k, s)
	}
	back, err := ParseKey(s)
	if err != nil || back.String() != s {
		t.Fatalf("%+q: %s is parsed as %+q, %v", k, s, back, err)
	}
	whole := len(EncodeToken(k.Site)) + len(appendRoom(nil, k.Room)) + len(EncodeToken(k.ClientID)) + len(EncodeToken(k.Conn)) + 3
	if whole < maxKey && back != k {
		t.Fatalf("%+q is parsed as %+q", k, back)
	}
}

func TestKeyRandomly(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const alphabet = "abz09-_=./:*> \x00\xffü"
	text := func() string {
		b := make([]byte, r.IntN(4)*r.IntN(4)*r.IntN(40))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b)
	}
	for range 5_000 {
		checkKey(t, Key{text(), text(), text(), text()})
		if k, err := ParseKey(strings.Join([]string{text(), text(), text(), text()}, ".")); err == nil {
			checkKey(t, k)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add("default", "postType/post:42", "user-1", "x7f")
	f.Add("", "//", "=", ".")
	f.Add("s", strings.Repeat("r/", 300), strings.Repeat("ü", 300), "*")
	f.Fuzz(func(t *testing.T, site, room, client, conn string) {
		checkKey(t, Key{site, room, client, conn})
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add("default.postType.post=3A42.user-1.x7f")
	f.Add("=.=.=.=")
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseKey(s); err == nil && k.String() != s {
			t.Fatalf("%q is parsed as %+q, whose key is %q", s, k, k.String())
		}
	})
}
