package wordpress

import (
	"math"
	"slices"
	"strconv"
	"testing"
)

func keys(a *Array) []string {
	var all []string
	for key := range a.All() {
		all = append(all, key)
	}
	return all
}

func TestArrayKeepsOrder(t *testing.T) {
	// Below and above the size where the array gets a map.
	for _, size := range []int{3, smallArray, smallArray + 1, 100} {
		a := NewArray()
		var want []string
		for i := range size {
			key := "k" + strconv.Itoa(i)
			a.Set(key, i)
			want = append(want, key)
		}
		a.Set("k1", "changed")
		a.Delete("k0")
		a.Delete("absent")
		a.Set("k0", "last")
		want = append(want[1:], "k0")
		if got := keys(a); !slices.Equal(got, want) {
			t.Errorf("size %d: keys %q, want %q", size, got, want)
		}
		if a.Len() != size || a.Get("k1") != "changed" || a.Get("k2") != 2 || a.Get("k0") != "last" || a.Get("absent") != nil {
			t.Errorf("size %d: values are wrong: %v", size, a)
		}
	}
}

func TestArrayAppends(t *testing.T) {
	a := NewArray()
	for _, key := range []string{"x", "-7", "5", "08", "3"} {
		a.Set(key, key)
		a.Append("after " + key)
	}
	a.Delete("6")
	a.Append("at the end")
	want := []string{"x", "0", "-7", "1", "5", "08", "7", "3", "8", "9"}
	if got := keys(a); !slices.Equal(got, want) {
		t.Errorf("keys %q, want %q", got, want)
	}
	a.Set(strconv.Itoa(math.MaxInt64), "full")
	a.Append("nowhere")
	if a.Len() != len(want)+1 {
		t.Errorf("appended after the greatest key: %q", keys(a))
	}
}

func TestArrayReadsTypes(t *testing.T) {
	inner := list("x")
	a := NewArray()
	a.Set("string", "s")
	a.Set("array", inner)
	a.Set("nil", nil)
	if a.String("string") != "s" || a.String("array") != "" || a.String("absent") != "" {
		t.Error("String is wrong")
	}
	if a.Array("array") != inner || a.Array("string") != nil || a.Array("absent") != nil {
		t.Error("Array is wrong")
	}
	if !a.Has("nil") || a.Has("absent") {
		t.Error("Has is wrong")
	}
	for key, value := range a.All() {
		if key != "string" || value != "s" {
			t.Errorf("the first entry is %q: %v", key, value)
		}
		break
	}
}

func TestNilArrayIsEmpty(t *testing.T) {
	var a *Array
	if a.Len() != 0 || a.Get("x") != nil || a.Has("x") || a.String("x") != "" || a.Array("x").Array("y") != nil || keys(a) != nil {
		t.Error("a nil array is not empty")
	}
	if out, err := AppendJSON(nil, a); err != nil || string(out) != "[]" {
		t.Errorf("a nil array is %s, %v", out, err)
	}
	if !Empty(a) {
		t.Error("Empty of a nil array is false")
	}
}
