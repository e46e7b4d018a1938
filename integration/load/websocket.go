//go:build linux

package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// The opcodes of RFC 6455 that are used here.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// mask is the same for every frame: the connections are local, and the server's cost does
// not depend on the mask.
var mask = [4]byte{0x5a, 0xc3, 0x96, 0x3c}

// appendFrame appends a client's frame.
func appendFrame(dst []byte, op byte, payload []byte) []byte {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, mask[:]...)
	from := len(dst)
	dst = append(dst, payload...)
	for i := range dst[from:] {
		dst[from+i] ^= mask[i&3]
	}
	return dst
}

var (
	errFragment = errors.New("a fragmented frame, which this client does not support")
	errMasked   = errors.New("a masked frame of the server")
)

// takeFrame parses a server's frame. used is 0 if it is incomplete.
func takeFrame(b []byte) (op byte, payload []byte, used int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	switch {
	case b[0]&0x80 == 0:
		return 0, nil, 0, errFragment
	case b[1]&0x80 != 0:
		return 0, nil, 0, errMasked
	case b[0]&0x70 != 0:
		return 0, nil, 0, errors.New("a frame of an extension that was not negotiated")
	}
	head, n := 2, uint64(b[1])
	switch {
	case n == 126 && len(b) >= 4:
		head, n = 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case n == 127 && len(b) >= 10:
		head, n = 10, binary.BigEndian.Uint64(b[2:])
	case n >= 126:
		return 0, nil, 0, nil
	}
	if n > maxUnread {
		return 0, nil, 0, fmt.Errorf("a frame of %d bytes", n)
	}
	used = head + int(n)
	if len(b) < used {
		return 0, nil, 0, nil
	}
	return b[0] & 15, b[head:used], used, nil
}

// key is the Sec-WebSocket-Key of every handshake, and accepted the Sec-WebSocket-Accept for
// it in RFC 6455.
const key = "bG9hZCBnZW5lcmF0b3IgMQ=="

var accepted = func() string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// socket is a client's WebSocket.
type socket struct {
	conn
	opened func() // called after the handshake
	onText func(b []byte)
}

// openSocket opens the nth connection of a workload as a WebSocket.
func (l *loop) openSocket(n int, to netip.AddrPort, path, subprotocol string, s *socket) {
	s.conn.opened = func() {
		head := "GET " + path + " HTTP/1.1\r\nHost: " + to.String() + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + "\r\n"
		if subprotocol != "" {
			head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
		}
		s.conn.send([]byte(head + "\r\n"))
	}
	s.conn.take = s.handshake
	l.dial(n, to, &s.conn)
}

func (s *socket) handshake(b []byte) (int, error) {
	r, used, err := takeResponse(b)
	if err != nil || used == 0 {
		return 0, err
	}
	if r.status != 101 || r.header("Sec-WebSocket-Accept") != accepted {
		return 0, fmt.Errorf("no WebSocket but %d %s", r.status, bytes.TrimSpace(r.body))
	}
	s.conn.take = s.receive
	s.opened()
	return used, nil
}

func (s *socket) receive(b []byte) (int, error) {
	op, payload, used, err := takeFrame(b)
	if err != nil || used == 0 {
		return 0, err
	}
	switch op {
	case opText:
		s.onText(payload)
	case opPing:
		s.write(opPong, payload)
	case opClose:
		return 0, closeError(payload)
	}
	return used, nil
}

func closeError(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("the server closed the socket")
	}
	return fmt.Errorf("the server closed the socket: %d %s", binary.BigEndian.Uint16(payload), payload[2:])
}

func (s *socket) text(b []byte) { s.write(opText, b) }

func (s *socket) write(op byte, b []byte) {
	s.loop.frame = appendFrame(s.loop.frame[:0], op, b)
	s.send(s.loop.frame)
}
