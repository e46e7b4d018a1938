package main

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logFlags are the flags of all commands about the log.
type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"Least level of the messages that are logged: debug, info, warn or error."`
	LogFormat string `enum:"text,json" default:"text" help:"Format of the log: text, or json with one object a line."`
}

// level returns the least level that is logged.
func (f *logFlags) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(f.LogLevel)) // the parser has checked it
	return level
}

// logger returns a logger with the format of the flags.
func (f *logFlags) logger(w io.Writer, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return limitLog(slog.New(slog.NewJSONHandler(w, options)))
	}
	return limitLog(slog.New(slog.NewTextHandler(w, options)))
}

const (
	// logBurst is how many messages of one kind are logged within logEvery: clients and
	// others on NATS determine how often most of them occur.
	logBurst = 30
	logEvery = time.Minute
	// maxKinds is the number of kinds of messages. The others are of one kind together.
	maxKinds = 1000
)

// logLimit is a slog.Handler that logs a few messages of a kind, and the number of the
// others. A panic is always logged. The kind of a message is its level and what is before the first colon.
type logLimit struct {
	slog.Handler
	*logCounts
}

type logCounts struct {
	mu    sync.Mutex // guards kinds
	kinds map[string]*logCount
}

type logCount struct {
	since   time.Time
	logged  int
	skipped int // since the last message that was logged
}

// limitLog returns a logger that logs to the same place.
func limitLog(log *slog.Logger) *slog.Logger {
	return slog.New(&logLimit{log.Handler(), &logCounts{kinds: make(map[string]*logCount)}})
}

// Handle implements slog.Handler.
func (l *logLimit) Handle(ctx context.Context, r slog.Record) error {
	kind, text, _ := strings.Cut(r.Message, ":")
	if strings.HasPrefix(text, " panic serving") {
		return l.Handler.Handle(ctx, r)
	}
	skipped, ok := l.count(r.Level.String()+" "+kind, r.Time)
	if !ok {
		return nil
	}
	if skipped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("not logged before", skipped))
	}
	return l.Handler.Handle(ctx, r)
}

// count reports whether a message of a kind is logged, and how many before it were not.
func (l *logCounts) count(kind string, now time.Time) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[kind]
	if c == nil {
		if len(l.kinds) >= maxKinds {
			kind = ""
		}
		if c = l.kinds[kind]; c == nil {
			c = new(logCount)
			l.kinds[kind] = c
		}
	}
	if now.Sub(c.since) >= logEvery {
		c.since, c.logged = now, 0
	}
	if c.logged >= logBurst {
		c.skipped++
		return 0, false
	}
	c.logged++
	skipped, c.skipped = c.skipped, 0
	return skipped, true
}

// WithAttrs implements slog.Handler.
func (l *logLimit) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logLimit{l.Handler.WithAttrs(attrs), l.logCounts}
}

// WithGroup implements slog.Handler.
func (l *logLimit) WithGroup(name string) slog.Handler {
	return &logLimit{l.Handler.WithGroup(name), l.logCounts}
}
