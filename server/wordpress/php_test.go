package wordpress

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// phpCommand returns a php command with the settings of a fresh installation. Without php
// the test is skipped, or fails on CI.
func phpCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	php, err := exec.LookPath("php")
	if err != nil {
		const how = "this test compares with php, which is not on PATH: apt-get install php-cli php-mbstring"
		if os.Getenv("CI") == "true" || os.Getenv("HEARTBEATD_INTEGRATION") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	var settings []string
	for _, setting := range []string{
		"display_errors=0", "display_startup_errors=0", "log_errors=0",
		"max_input_vars=1000", "max_input_nesting_level=64", "arg_separator.input=&",
		"precision=14", "serialize_precision=-1", "memory_limit=512M", "opcache.enable=0",
	} {
		settings = append(settings, "-d", setting)
	}
	return exec.Command(php, append(settings, args...)...)
}

// question is an input for testdata/judge.php. kind is one of its cases.
type question struct {
	kind  byte
	input []byte
}

// askPHP sends all questions to one php process and returns its answers.
func askPHP(t *testing.T, questions []question) [][]byte {
	t.Helper()
	cmd := phpCommand(t, "testdata/judge.php")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() { sent <- sendQuestions(stdin, questions) }()
	answers, readErr := readAnswers(stdout, len(questions))
	if readErr != nil {
		_ = cmd.Process.Kill()
	}
	sendErr := <-sent
	if err := cmd.Wait(); readErr != nil || sendErr != nil || err != nil {
		t.Fatalf("php: read %v, send %v, exit %v (is mbstring there? apt-get install php-mbstring)", readErr, sendErr, err)
	}
	return answers
}

func sendQuestions(w io.WriteCloser, questions []question) error {
	out := bufio.NewWriter(w)
	for _, q := range questions {
		head := binary.BigEndian.AppendUint32([]byte{q.kind}, uint32(len(q.input)))
		// The writer keeps its first error for Flush.
		_, _ = out.Write(head)
		_, _ = out.Write(q.input)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return w.Close()
}

func readAnswers(r io.Reader, n int) ([][]byte, error) {
	in := bufio.NewReader(r)
	answers := make([][]byte, n)
	for i := range answers {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
		answers[i] = make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(in, answers[i]); err != nil {
			return nil, fmt.Errorf("answer %d: %w", i, err)
		}
	}
	return answers, nil
}

// startWeb serves testdata/web.php with PHP's own web server, for tests that need real
// requests, and returns its address.
func startWeb(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()

	cmd := phpCommand(t, "-S", address, "testdata/web.php")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return "http://" + address + "/"
		}
		if time.Now().After(deadline) {
			t.Fatalf("php -S does not listen: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// post sends a form to startWeb's server, and returns its answer and the
// cookie it set.
func post(t *testing.T, client *http.Client, url string, body []byte, cookie string) (answer, set string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if cookie != "" {
		req.Header.Set("Cookie", "c="+cookie)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(got), resp.Header.Get("Set-Cookie")
}

// serialize encodes v as PHP's serialize does, with types and order.
func serialize(v any) []byte { return appendSerialized(nil, v) }

func appendSerialized(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "N;"...)
	case bool:
		if v {
			return append(dst, "b:1;"...)
		}
		return append(dst, "b:0;"...)
	case string:
		return fmt.Appendf(dst, "s:%d:\"%s\";", len(v), v)
	case int:
		return fmt.Appendf(dst, "i:%d;", v)
	case int64:
		return fmt.Appendf(dst, "i:%d;", v)
	case uint64:
		if v > math.MaxInt64 {
			return appendSerialized(dst, float64(v))
		}
		return fmt.Appendf(dst, "i:%d;", v)
	case float64:
		number := strings.ToUpper(strconv.FormatFloat(v, 'g', -1, 64))
		return append(dst, "d:"+strings.TrimPrefix(number, "+")+";"...)
	case []string:
		list := NewArray()
		for _, s := range v {
			list.Append(s)
		}
		return appendSerialized(dst, list)
	case *Array:
		dst = fmt.Appendf(dst, "a:%d:{", v.Len())
		for key, value := range v.All() {
			if n, ok := integerKey(key); ok {
				dst = appendSerialized(dst, n)
			} else {
				dst = appendSerialized(dst, key)
			}
			dst = appendSerialized(dst, value)
		}
		return append(dst, '}')
	}
	panic(fmt.Sprintf("serialize: %T", v))
}

// list returns a PHP list.
func list(values ...any) *Array {
	a := NewArray()
	for _, v := range values {
		a.Append(v)
	}
	return a
}
