package wordpress

import "strconv"

// Object writes a JSON object member by member, as wp_json_encode does. Make one
// with NewObject.
type Object []byte

// NewObject returns an object without members.
func NewObject() Object { return append(make(Object, 0, 160), '{') }

// Text adds a member that is a string.
func (o Object) Text(name, value string) Object {
	return AppendString(o.name(name), value)
}

// Number adds a member that is a number.
func (o Object) Number(name string, n int64) Object {
	return strconv.AppendInt(o.name(name), n, 10)
}

// JSON returns the object as JSON. Nothing can be added after that.
func (o Object) JSON() []byte { return append(o, '}') }

func (o Object) name(name string) Object {
	if len(o) > 1 {
		o = append(o, ',')
	}
	return append(AppendString(o, name), ':')
}
