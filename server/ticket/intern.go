package ticket

import (
	"strings"
	"sync"
)

// maxInterned bounds the lists that are kept.
const maxInterned = 1000

// interned keeps one copy of each list that many tickets have in common: most users of a
// site may do the same. Nobody changes an interned list.
type interned struct {
	mu    sync.Mutex
	lists map[string][]string // by their joined strings
}

// intern returns the kept copy of a list. Nil stays nil: it may mean something else than
// an empty list.
func (i *interned) intern(list []string) []string {
	if list == nil {
		return nil
	}
	key := strings.Join(list, "\x00")
	if strings.Count(key, "\x00") != max(0, len(list)-1) || len(list) == 1 && key == "" {
		return list // a string contains the separator
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if same, found := i.lists[key]; found {
		return same
	}
	if i.lists == nil || len(i.lists) == maxInterned {
		i.lists = make(map[string][]string)
	}
	i.lists[key] = list
	return list
}
