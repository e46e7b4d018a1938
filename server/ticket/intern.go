package ticket

import (
	"fmt"
	"strings"
	"sync"
)

// maxInterned bounds the lists that are kept.
const maxInterned = 1000

// interned keeps one copy of each list that many tickets have in common: most users of a
// site may do the same. Nobody changes an interned list.
type interned[T any] struct {
	mu    sync.Mutex
	lists map[string][]T // by their members, written one after the other
}

// internTexts returns the kept copy of a list. Nil stays nil: it may mean something else
// than an empty list.
func internTexts(i *interned[string], list []string) []string {
	key := strings.Join(list, "\x00")
	if strings.Count(key, "\x00") != max(0, len(list)-1) || len(list) == 1 && key == "" {
		return list // a string contains the separator
	}
	return i.intern(key, list)
}

// internIDs returns the kept copy of a list.
func internIDs(i *interned[int64], list []int64) []int64 {
	return i.intern(fmt.Sprint(list), list)
}

func (i *interned[T]) intern(key string, list []T) []T {
	if list == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if same, found := i.lists[key]; found {
		return same
	}
	if i.lists == nil || len(i.lists) == maxInterned {
		i.lists = make(map[string][]T)
	}
	i.lists[key] = list
	return list
}
