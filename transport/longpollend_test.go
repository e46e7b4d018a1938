package transport

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// TestBrokenRequest refuses a request whose body breaks off with no bye, and keeps its
// session and the poll that waits.
func TestBrokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		done := make(chan string, 1)
		go func() {
			_, body := p.poll(t.Context(), id, 0)
			done <- body
		}()
		synctest.Wait()
		for path, handler := range map[string]http.HandlerFunc{"/open": p.Open, "/beat?type=beat&id=5": p.Beat, "/close": p.Close} {
			r := httptest.NewRequest("POST", path, iotest.ErrReader(errors.New("unexpected EOF")))
			r.Header.Set("Content-Type", formType)
			r.Header.Set(SessionHeader, id)
			w := httptest.NewRecorder()
			handler(w, r)
			if w.Code != http.StatusRequestTimeout || w.Body.String() != errIncomplete.Error()+"\n" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		synctest.Wait()
		select {
		case body := <-done:
			t.Fatalf("the poll was answered %s", body)
		default:
		}
		p.e.out.Send([]byte(`1`))
		if body := <-done; body != `{"seq":1,"frames":[1]}` {
			t.Errorf("the news after that: %s", body)
		}
	})
}

// TestEndedPoll has the session's gap end it when a poll has just arrived: the poll is
// told so, since an empty answer before its time would look like a cache's.
func TestEndedPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPolls()
		id := p.open()
		q := p.find(id)
		done := make(chan int, 1)
		started := time.Now()
		go func() {
			status, _ := p.poll(t.Context(), id, 0)
			done <- status
		}()
		synctest.Wait()
		p.end(id, q, nil) // as the timer does that fired before the poll stopped it
		if status := <-done; status != http.StatusGone || time.Since(started) != 0 {
			t.Errorf("the poll was answered %d after %v", status, time.Since(started))
		}
	})
}
