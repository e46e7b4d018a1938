package wordpress

import (
	"iter"
	"math"
	"slices"
	"strconv"
)

// Array is a PHP array: an ordered map whose keys are integers or strings.
// PHP turns a string key that is a canonical decimal integer ("5", "-5", not
// "05") into that integer, so one string stands for either kind of key.
//
// Reading methods work on a nil Array, which is empty. An Array is not safe
// for concurrent use while it is being changed.
type Array struct {
	entries []entry
	// place is the index in entries by key. It is nil while the array is so
	// small that a linear search is faster.
	place map[string]int
	// next is the key that Append uses: one more than the largest integer key
	// so far.
	next int64
	// numbered reports whether there was an integer key so far.
	numbered bool
	// few has the first entries, so that a small array needs one allocation.
	few [2]entry
}

type entry struct {
	key   string
	value any
}

// smallArray is the size up to which an Array needs no map.
const smallArray = 8

// NewArray returns an empty array.
func NewArray() *Array { return &Array{} }

// Set sets the value of a key. An existing key keeps its place, a new one comes last.
func (a *Array) Set(key string, v any) {
	if i := a.find(key); i >= 0 {
		a.entries[i].value = v
		return
	}
	a.add(key, v)
	if n, ok := integerKey(key); ok && (n >= a.next || !a.numbered) {
		a.setNext(n)
	}
}

// setNext records that n is the largest integer key.
func (a *Array) setNext(n int64) {
	a.numbered = true
	a.next = n
	if n < math.MaxInt64 {
		a.next++
	}
}

// Append adds v under the next integer key. Like PHP it adds nothing if the largest
// possible key is in use.
func (a *Array) Append(v any) { a.tryAppend(v) }

func (a *Array) tryAppend(v any) bool {
	key := strconv.FormatInt(a.next, 10)
	if a.next == math.MaxInt64 && a.Has(key) {
		return false
	}
	a.add(key, v)
	a.setNext(a.next)
	return true
}

func (a *Array) add(key string, v any) {
	if a.entries == nil {
		a.entries = a.few[:0]
	}
	a.entries = append(a.entries, entry{key, v})
	switch {
	case a.place != nil:
		a.place[key] = len(a.entries) - 1
	case len(a.entries) > smallArray:
		a.place = make(map[string]int, 2*len(a.entries))
		for i, e := range a.entries {
			a.place[e.key] = i
		}
	}
}

// find returns the index of key in entries, or -1.
func (a *Array) find(key string) int {
	if a == nil {
		return -1
	}
	if a.place != nil {
		if i, ok := a.place[key]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(a.entries, func(e entry) bool { return e.key == key })
}

// Get returns the value of key, or nil when there is none.
func (a *Array) Get(key string) any {
	if i := a.find(key); i >= 0 {
		return a.entries[i].value
	}
	return nil
}

// Has reports whether the array has the key, even if its value is nil.
func (a *Array) Has(key string) bool { return a.find(key) >= 0 }

// Delete removes a key, if the array has it. It takes time proportional to the number of
// keys after it. As in PHP, later appends do not use its number again.
func (a *Array) Delete(key string) {
	i := a.find(key)
	if i < 0 {
		return
	}
	a.entries = slices.Delete(a.entries, i, i+1)
	if a.place == nil {
		return
	}
	delete(a.place, key)
	for j, e := range a.entries[i:] {
		a.place[e.key] = i + j
	}
}

// Len returns the number of entries.
func (a *Array) Len() int {
	if a == nil {
		return 0
	}
	return len(a.entries)
}

// All yields keys and values in order. The array must not be changed
// meanwhile.
func (a *Array) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if a == nil {
			return
		}
		for _, e := range a.entries {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// String returns the value of key if it is a string, else "".
func (a *Array) String(key string) string {
	s, _ := a.Get(key).(string)
	return s
}

// Array returns the value of key if it is an array, else nil.
func (a *Array) Array(key string) *Array {
	v, _ := a.Get(key).(*Array)
	return v
}

// isList reports whether the keys are 0, 1, 2, … in this order.
func (a *Array) isList() bool {
	var digits [20]byte
	for i, e := range a.entries {
		if e.key != string(strconv.AppendInt(digits[:0], int64(i), 10)) {
			return false
		}
	}
	return true
}

// integerKey returns the integer that PHP uses in place of a string key.
func integerKey(key string) (int64, bool) {
	digits := key
	if len(digits) > 1 && digits[0] == '-' && digits[1] != '0' {
		digits = digits[1:]
	}
	if digits == "" || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(key, 10, 64)
	return n, err == nil
}

// ArrayOf converts a value as PHP's (array) cast does. A value that is empty() becomes an
// empty array.
func ArrayOf(v any) *Array {
	if Empty(v) {
		return NewArray()
	}
	if a, ok := v.(*Array); ok {
		return a
	}
	a := NewArray()
	a.Append(v)
	return a
}
