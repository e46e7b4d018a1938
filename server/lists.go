package server

import (
	"strings"
	"sync"
)

// maxLists bounds the lists that are shared.
const maxLists = 1000

// lists are those that many tickets bring: what pages of a site may do is mostly
// the same. Each is kept once, and nobody changes it.
type lists struct {
	mu   sync.Mutex
	kept map[string][]string // by their strings
}

// share returns a list that says the same. Nil stays nil: it may mean something
// else than an empty list.
func (l *lists) share(list []string) []string {
	if list == nil {
		return nil
	}
	name := strings.Join(list, "\x00")
	if strings.Count(name, "\x00") != max(0, len(list)-1) || len(list) == 1 && name == "" {
		return list // a string with the separator in it
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if same, found := l.kept[name]; found {
		return same
	}
	if l.kept == nil || len(l.kept) == maxLists {
		l.kept = make(map[string][]string)
	}
	l.kept[name] = list
	return list
}
