package broker

import (
	"testing"

	"github.com/heartbeatd/heartbeatd/broker/presence"
	"github.com/heartbeatd/heartbeatd/broker/topic"
)

// FuzzParseCursor checks that a cursor has one spelling, apart from zeros before its number,
// and that a position in another stream is the beginning of that one.
func FuzzParseCursor(f *testing.F) {
	for _, text := range []string{"k3j2-7", "a.-18446744073709551615", "a-18446744073709551616", "a-007", "-1", "a-", "a", "", "a--1", "a-1-2", "\x00-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := topic.ParseCursor(text)
		if err != nil {
			return
		}
		if back, err := topic.ParseCursor(c.String()); err != nil || back != c {
			t.Errorf("%q is parsed as %+v, and again as %+v, %v", text, c, back, err)
		}
		if at := c.In("k3j2", 5); at.Seq > 5 || at.Seq > 0 && at != c {
			t.Errorf("%q leads to %+v of a stream with 5 messages", text, at)
		}
	})
}

// FuzzTopicSite reads the site in any subject.
func FuzzTopicSite(f *testing.F) {
	for _, subject := range []string{topic.Pushes.Subject("a blog"), topic.Deposits.KeySubject("a.b", "*"), "heartbeatd.push.", "heartbeatd.push.=", "heartbeatd.deposit.=2E.x", "heartbeatd.deposit.=zz", "heartbeatd.push.a.b", "presence.a"} {
		f.Add(subject)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		for _, kind := range []topic.Topic{topic.Pushes, topic.Revocations, topic.Deposits} {
			if site, ok := kind.Site(subject); ok {
				if back, ok := kind.Site(kind.Subject(site)); !ok || back != site || presence.EncodeToken(site) == "" {
					t.Errorf("%q is of the site %q, whose subject is of %q", subject, site, back)
				}
			}
		}
	})
}
