package ticket

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// TestClaimsLenient checks that strings which PHP has turned into numbers are read, and that
// optional claims of another type are ignored.
func TestClaimsLenient(t *testing.T) {
	const identity = `"sub":"7","sid":"s","nonce":"n","iat":1700000000.5,"exp":1700003600`
	title := "A title"
	for claims, want := range map[string]Claims{
		``: {},
		`,"types":["post",2024],"rooms":[5,"postType/2024:1"]`:       {Types: []string{"post", "2024"}, Rooms: []string{"5", "postType/2024:1"}},
		`,"can":["edit_posts",null,true,[1],{"a":"b"},-1.5]`:         {Can: []string{"edit_posts", "-1.5"}},
		`,"native":{"0":"presence-ping","2":"presence-editor-ping"}`: {Native: []string{"presence-ping", "presence-editor-ping"}},
		`,"sets":["","wp-refresh-post-lock"],"counted":["x"]`:        {Sets: []string{"", "wp-refresh-post-lock"}, Counted: []string{"x"}},
		`,"types":["page"],"except":3`:                               {Types: []string{"page"}, Except: 3},
		`,"editable":[3,5],"not_editable":[7],"posts_cut":true`:      {Editable: []int64{3, 5}, NotEditable: []int64{7}, PostsCut: true},
		`,"editable":["3"],"not_editable":7,"posts_cut":1`:           {},
		`,"native":[]`:   {Native: []string{}},
		`,"native":{}`:   {Native: []string{}},
		`,"native":null`: {},
		`,"native":"presence-ping","types":5,"can":true,"rooms":"postType/post:1"`: {},
		`,"name":2024,"screen":2024,"screen_label":null,"avatar":[],"sync":{}`:     {Name: "2024", Screen: "2024"},
		`,"fresh_until":"tomorrow"`:                      {},
		`,"fresh_until":1.5`:                             {},
		`,"fresh_until":12`:                              {FreshUntil: 12},
		`,"post":{"id":3,"type":2024,"title":"A title"}`: {Post: &wordpress.Post{ID: 3, Type: "2024", Title: &title}},
		`,"post":{"id":3,"type":"post","title":2024}`:    {Post: &wordpress.Post{ID: 3, Type: "post"}},
		`,"post":{"id":"3","type":"post"}`:               {},
		`,"post":[]`:                                     {},
		`,"post":null`:                                   {},
		`,"unknown":{"deep":[1]}`:                        {},
		`,"who":5`:                                       {},
	} {
		t.Run(claims, func(t *testing.T) {
			var got Claims
			if err := json.Unmarshal([]byte(`{`+identity+claims+`}`), &got); err != nil {
				t.Fatal(err)
			}
			if got.Subject != "7" || got.SID != "s" || got.Nonce != "n" || got.IssuedAt == nil || got.ExpiresAt == nil {
				t.Errorf("the required claims are not read: %+v", got)
			}
			got.RegisteredClaims, got.IssuedAt, got.SID, got.Nonce = jwt.RegisteredClaims{}, nil, "", ""
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		})
	}
}

// TestClaimsStrict checks that required claims of another type are refused.
func TestClaimsStrict(t *testing.T) {
	good := map[string]string{"sub": `"7"`, "sid": `"s"`, "nonce": `"n"`, "iat": `1700000000`, "exp": `1700003600`}
	for name := range good {
		for _, wrong := range []string{`7`, `true`, `[]`, `{}`, `"x"`} {
			var members []string
			for other, value := range good {
				if other == name {
					value = wrong
				}
				members = append(members, `"`+other+`":`+value)
			}
			text := wrong[0] == '"'
			number := wrong == `7`
			fits := text && (name == "sub" || name == "sid" || name == "nonce") || number && (name == "iat" || name == "exp")
			var c Claims
			if err := json.Unmarshal([]byte(`{`+strings.Join(members, ",")+`}`), &c); (err == nil) != fits {
				t.Errorf("%s %s: %v", name, wrong, err)
			}
		}
	}
	for _, whole := range []string{`[]`, `5`, `"x"`} {
		if json.Unmarshal([]byte(whole), new(Claims)) == nil {
			t.Errorf("%s is read as claims", whole)
		}
	}
}
