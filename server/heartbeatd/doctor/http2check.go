package doctor

//lint:file-ignore SA1019 http.Transport, which takes the place of http2.Transport, refuses the field :protocol

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http2"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/transport"
)

// checkHTTP2 opens a WebSocket over HTTP/2 (RFC 8441). Browsers do so where the web server offers
// it, and do not use HTTP/1.1 if it fails.
func (d *checkup) checkHTTP2(ctx context.Context) Finding {
	if d.base.Scheme != "https" {
		return ok("browsers open WebSockets over HTTP/1.1: they use HTTP/2 with https only")
	}
	h2 := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: d.roots, NextProtos: []string{http2.NextProtoTLS, "http/1.1"}}}
	defer h2.CloseIdleConnections()
	c, response, err := d.dialWith(ctx, apiclient.NewHTTPClient(&extendedConnect{h2}), d.origin)
	if err != nil {
		if response == nil && isNotOffered(err) {
			return ok("browsers open WebSockets over HTTP/1.1: the web server does not offer them over HTTP/2")
		}
		if response == nil && !d.socketOpens {
			return skipped("WebSockets over HTTP/2 were not checked: none opens over HTTP/1.1")
		}
		if response == nil {
			return d.failsOverHTTP2(apiclient.Cause(err))
		}
		return d.failsOverHTTP2(response.Status)
	}
	defer func() { _ = c.CloseNow() }()
	got, err := d.exchange(ctx, c, withoutTicket.hello(), "bye")
	if err != nil || got.Code != transport.CodeTicket {
		return d.failsOverHTTP2("Frames do not pass: " + d.describe(got, err))
	}
	return ok("a WebSocket opens over HTTP/2 as well")
}

func (d *checkup) failsOverHTTP2(why string) Finding {
	return d.named("no-http2-websocket", "%s.", why)
}

// isNotOffered reports whether a server has no HTTP/2, or no WebSockets over it. Package http2 does
// not export these errors.
func isNotOffered(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unexpected ALPN protocol") || strings.Contains(text, "extended connect not supported")
}

// extendedConnect sends the handshake of a WebSocket over HTTP/2, and answers as if it had been sent
// over HTTP/1.1.
type extendedConnect struct{ transport *http2.Transport }

func (e *extendedConnect) RoundTrip(r *http.Request) (*http.Response, error) {
	// The context of r limits the handshake only.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	stop := context.AfterFunc(r.Context(), cancel)
	received, sent := io.Pipe()
	connect := r.Clone(ctx)
	connect.Method, connect.Body = http.MethodConnect, received
	connect.Header[":protocol"] = []string{"websocket"}
	for _, name := range []string{"Upgrade", "Connection", "Sec-Websocket-Key"} {
		connect.Header.Del(name)
	}
	response, err := e.transport.RoundTrip(connect)
	if err != nil || response.StatusCode != http.StatusOK {
		stop()
		return response, err
	}
	stop()
	accept := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	response.StatusCode = http.StatusSwitchingProtocols
	response.Header.Set("Upgrade", "websocket")
	response.Header.Set("Connection", "Upgrade")
	response.Header.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(accept[:]))
	response.Body = &stream{response.Body, sent, cancel}
	return response, nil
}

// stream is the connection of a WebSocket in a stream of HTTP/2.
type stream struct {
	io.ReadCloser
	sent  *io.PipeWriter
	reset context.CancelFunc
}

func (s *stream) Write(b []byte) (int, error) { return s.sent.Write(b) }

func (s *stream) Close() error {
	_ = s.sent.Close()
	s.reset()
	return s.ReadCloser.Close()
}
