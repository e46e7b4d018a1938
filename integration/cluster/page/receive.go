package page

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// silenceMax is the silence after which a stream is broken: heartbeatd writes a line every 10 s.
	silenceMax = 20 * time.Second
	// streamMin is the least time that a stream lasts unless it breaks off, and shortMax how many in a row may end earlier.
	streamMin = 10 * time.Second
	shortMax  = 3
	// testWait is how long the first line of a test stream may take.
	testWait = 5 * time.Second
)

// poll receives frames with one request after another.
func poll(s *session, opened func()) {
	opened()
	seq := int64(0)
	for !s.isOver() {
		id := requestIDs.Add(1)
		query := url.Values{"after": {strconv.FormatInt(seq, 10)}, "id": {strconv.FormatInt(id, 10)}}
		status, text, err := s.request(s.ctx, "GET", "/poll", query, nil)
		if err != nil {
			s.finish(lost("poll: ", err))
			return
		}
		var answer struct {
			ID     int64             `json:"id"`
			Seq    int64             `json:"seq"`
			Frames []json.RawMessage `json:"frames"`
		}
		if status != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.ID != id {
			s.finish(s.refusal(status, text))
			return
		}
		seq = answer.Seq
		s.hears()
		for _, f := range answer.Frames {
			s.deliver(readFrame(f))
		}
	}
}

// stream receives frames as server-sent events.
func stream(s *session, opened func()) {
	last, short := int64(0), 0
	for !s.isOver() {
		id := strconv.FormatInt(requestIDs.Add(1), 10)
		ctx, cancel := context.WithCancel(s.ctx)
		silence := time.AfterFunc(silenceMax, cancel)
		r, err := s.start(ctx, "GET", "/events", url.Values{"after": {strconv.FormatInt(last, 10)}, "id": {id}}, nil)
		if err != nil {
			cancel()
			s.finish(lost("events: ", err))
			return
		}
		began := time.Now()
		last = s.readStream(r, id, last, silence, opened)
		silence.Stop()
		cancel()
		if short++; time.Since(began) >= streamMin {
			short = 0
		}
		if short > shortMax {
			s.finish(&ending{code: codeOther})
		}
	}
}

// readStream delivers the events of one stream, and returns the number of the last one.
func (s *session) readStream(r *http.Response, id string, last int64, silence *time.Timer, opened func()) int64 {
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, maxFrame)
	if r.StatusCode != http.StatusOK {
		text := ""
		if lines.Scan() {
			text = lines.Text()
		}
		s.finish(s.refusal(r.StatusCode, []byte(text)))
		return last
	}
	event, begun := int64(0), false
	for lines.Scan() {
		silence.Reset(silenceMax)
		line := lines.Text()
		switch {
		case !begun:
			begun = true
			if line != ":"+id {
				s.finish(lost("the stream begins with ", line))
				return last
			}
			s.hears()
			opened()
		case strings.HasPrefix(line, "id:"):
			event, _ = strconv.ParseInt(strings.TrimSpace(line[3:]), 10, 64)
		case strings.HasPrefix(line, "data:"):
			if event != last+1 {
				s.finish(lost("event ", event, " comes after ", last))
				return last
			}
			last = event
			s.deliver(readFrame([]byte(strings.TrimSpace(line[5:]))))
		}
	}
	if !begun || lines.Err() != nil {
		s.finish(lost("the stream has broken off: ", lines.Err()))
	}
	return last
}

// testStream reports whether a stream's first line arrives.
func testStream(ctx context.Context, s *session) bool {
	ctx, cancel := context.WithTimeout(ctx, testWait)
	defer cancel()
	id := strconv.FormatInt(requestIDs.Add(1), 10)
	r, err := s.start(ctx, "GET", "/events", url.Values{"test": {"1"}, "id": {id}}, nil)
	if err != nil {
		return false
	}
	defer func() { _ = r.Body.Close() }()
	lines := bufio.NewScanner(r.Body)
	return lines.Scan() && lines.Text() == ":"+id
}
