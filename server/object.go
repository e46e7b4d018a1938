package server

import (
	"strconv"

	"github.com/heartbeatd/heartbeatd/server/wordpress"
)

// object is a JSON object that is written member by member, as wp_json_encode does.
type object []byte

func newObject() object { return append(make(object, 0, 160), '{') }

func (o object) text(name, value string) object {
	return wordpress.AppendString(o.member(name), value)
}

func (o object) number(name string, n int64) object {
	return strconv.AppendInt(o.member(name), n, 10)
}

func (o object) member(name string) object {
	if len(o) > 1 {
		o = append(o, ',')
	}
	return append(wordpress.AppendString(o, name), ':')
}

// json ends it.
func (o object) json() []byte { return append(o, '}') }
