package nodetest

import (
	"io"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"
)

var answerTime = regexp.MustCompile(`"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d`)

// ShiftNATSClock returns the address of a proxy of a NATS server, through which the server's clock
// seems to be ahead by whole minutes.
func ShiftNATSClock(t testing.TB, server string, ahead time.Duration) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	shift := func(found []byte) []byte {
		const layout = `"ts":"2006-01-02T15:04`
		at, _ := time.Parse(layout, string(found))
		return []byte(at.Add(ahead).Format(layout))
	}
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				t.Error(err)
				_ = client.Close()
				return
			}
			wg.Go(func() {
				_, _ = io.Copy(to, client)
				_ = to.Close()
			})
			wg.Go(func() {
				defer func() { _ = client.Close() }()
				buffer := make([]byte, 1<<16)
				for {
					n, err := to.Read(buffer)
					if _, failed := client.Write(answerTime.ReplaceAllFunc(buffer[:n], shift)); err != nil || failed != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}
