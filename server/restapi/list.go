package restapi

import (
	"encoding/base64"
	"encoding/json"
	"strconv"

	"github.com/heartbeatd/heartbeatd/broker/presence"
)

const (
	// maxPerPage is the maximum number of entries of an answer, and maxPage the number
	// of the last page.
	maxPerPage = 1000
	maxPage    = 1_000_000
	// smallData is the number of bytes up to which an answer always has an entry's data in full,
	// and largeBudget the number of bytes that all larger data has in an answer. PHP needs up to
	// fifty bytes of memory for each of them.
	smallData   = 512
	largeBudget = 1 << 20
	// nextHeader has the value of after for the next part of a list.
	nextHeader = "X-Heartbeatd-Next"
)

// listedEntry is an entry in the answer to GET.
type listedEntry struct {
	presence.Entry
	DataCut bool `json:"data_cut,omitempty"` // Data is short because of largeBudget
}

// listPresence answers GET: one part of the entries of a room, of the rooms with a
// prefix, or of the site.
func (a *api) listPresence(c *presenceCall) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	perPage, err := c.number("per_page", 100, maxPerPage)
	if err != nil {
		return nil, err
	}
	page, err := c.number("page", 1, maxPage)
	if err != nil {
		return nil, err
	}
	short := c.query.Get("data") == "short"
	if c.query.Has("data") && !short {
		return nil, badRequest("data must be short, or absent")
	}
	if c.query.Has("after") && c.query.Has("page") {
		return nil, badRequest("after and page cannot be combined")
	}
	at, err := parsePlace(c.query.Get("after"))
	if err != nil {
		return nil, err
	}
	var entries []presence.Entry
	var total int
	if c.query.Has("after") {
		var more bool
		if entries, more, total = c.view.ListAfter(f, at, int(perPage)); more {
			c.out.Set(nextHeader, formatPlace(presence.PlaceOf(&entries[len(entries)-1])))
		}
	} else {
		entries, total = c.view.List(f, int((page-1)*perPage), int(perPage))
	}
	c.out.Set("X-WP-Total", strconv.Itoa(total))
	c.out.Set("X-WP-TotalPages", strconv.Itoa((total+int(perPage)-1)/int(perPage)))
	return listed(entries, short), nil
}

// filter reads which entries are listed.
func (c *presenceCall) filter() (f presence.Filter, err error) {
	f.Room, f.Prefix = c.query.Get("room"), c.query.Get("prefix")
	if f.Room != "" && f.Prefix != "" {
		return f, badRequest("room and prefix cannot be combined")
	}
	if err := checkName("room", f.Room+f.Prefix); f.Room+f.Prefix != "" && err != nil {
		return f, badRequest("%v", err)
	}
	f.UserID, err = c.number("user_id", 0, 1<<62)
	return f, err
}

// listed returns entries as an answer has them.
func listed(entries []presence.Entry, short bool) []listedEntry {
	budget := largeBudget
	list := make([]listedEntry, len(entries))
	for i, e := range entries {
		list[i].Entry = e
		if large := len(e.Data) > smallData; large && len(e.Data) <= budget && !short {
			budget -= len(e.Data)
		} else if large || short {
			list[i].Data, list[i].DataCut = presence.ShortData(e.Data, presence.MaxName), !short
		}
	}
	return list
}

// formatPlace returns a place as the base64 of a JSON array.
func formatPlace(p presence.Place) string {
	b, _ := json.Marshal([]string{p.Room, p.ClientID}) // strings do not fail
	return base64.RawURLEncoding.EncodeToString(b)
}

func parsePlace(text string) (p presence.Place, err error) {
	if text == "" {
		return p, nil
	}
	var names []string
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &names)
	}
	if err != nil || len(names) != 2 {
		return p, badRequest("after must be empty, or the value of %s in the last answer", nextHeader)
	}
	return presence.Place{Room: names[0], ClientID: names[1]}, nil
}

// number reads a parameter that must be from 1 to most. If it is absent, number
// returns fallback.
func (c *presenceCall) number(name string, fallback, most int64) (int64, error) {
	if !c.query.Has(name) {
		return fallback, nil
	}
	n, err := strconv.ParseInt(c.query.Get(name), 10, 64)
	if err != nil || n < 1 || n > most {
		return 0, badRequest("%s must be a number from 1 to %d", name, most)
	}
	return n, nil
}
