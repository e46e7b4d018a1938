package message

import (
	"fmt"
	"strings"
	"testing"
)

// TestTargetCheck checks which targets are valid.
func TestTargetCheck(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string // part of the error; empty: valid
	}{
		{Target{All: true}, ""},
		{Target{User: 7}, ""},
		{Target{Can: "edit_posts"}, ""},
		{Target{Room: "postType/post:42"}, ""},
		{Target{Room: "shop/orders"}, ""},
		{Target{}, "exactly one"},
		{Target{All: true, User: 7}, "exactly one"},
		{Target{User: -7}, "above 0"},
		{Target{Can: strings.Repeat("x", MaxName+1)}, "at most 191 bytes"},
		{Target{Room: "everyone"}, `must contain a "/"`},
		{Target{Room: "postType/post42"}, "postType/TYPE:ID"},
	} {
		t.Run(fmt.Sprintf("%+v", c.target), func(t *testing.T) {
			err := c.target.Check()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
