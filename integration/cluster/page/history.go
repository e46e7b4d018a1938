package page

import (
	"fmt"
	"slices"
	"time"
)

// maxHistory is how many lines of a page's history are kept.
const maxHistory = 40

// notef adds a line to the page's history.
func (p *Page) notef(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.history) == maxHistory {
		p.history = p.history[:copy(p.history, p.history[1:])]
	}
	p.history = append(p.history, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// History returns what has happened to the page's links since Forget: the last lines.
func (p *Page) History() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.history)
}
