//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

const handshake = "GET /heartbeat/socket HTTP/1.1\r\nHost: " + goodHost + "\r\nX-Forwarded-For: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YXR0YWNrIHRoZSBzb2NrZQ==\r\nSec-WebSocket-Protocol: heartbeat.v1\r\n%s\r\n"

// The opcodes of RFC 6455.
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// tryHello sends one mutated hello, and then nothing.
func (c *client) tryHello() {
	if !c.openSocket() {
		return
	}
	c.endSocket(c.appendFrame(nil, opText, c.hello(c.ticket())))
}

// tryFrames sends a valid hello, and all frames that are left of the case.
func (c *client) tryFrames() {
	if !c.openSocket() {
		return
	}
	hello := fmt.Sprintf(`{"type":"hello","ticket":%q,"conn":"attack-%06d"}`, c.attacker(), c.IntN(1e6))
	b := appendFrame(nil, 0x80|opText, []byte(hello))
	for c.inputs < caseInputs-1 {
		c.inputs++
		b = c.appendFrame(b, opText, c.frame())
	}
	c.endSocket(b)
}

// openSocket opens a WebSocket. One of eight handshakes is mutated.
func (c *client) openSocket() bool {
	c.drop()
	line := ""
	if c.chance(8) {
		line = c.mutateText(pick(c.source, headers)) + "\r\n"
	}
	head := fmt.Appendf(nil, handshake, c.address(), line)
	if c.chance(16) {
		head = c.mutate(head)
	}
	status, _ := c.send(c.public, head)
	if status != 101 {
		c.drop()
	}
	return status == 101
}

// appendFrame appends a message as one frame or as several, and may add others, some of them
// not valid.
func (c *client) appendFrame(dst []byte, op byte, payload []byte) []byte {
	switch c.IntN(16) {
	case 0:
		return c.appendOdd(dst, payload)
	case 1: // fragments, with a ping between them
		half := len(payload) / 2
		dst = appendFrame(dst, op, payload[:half])
		dst = appendFrame(dst, 0x80|opPing, []byte("ping"))
		return appendFrame(dst, 0x80|opContinuation, payload[half:])
	case 2:
		for i := range payload[:min(len(payload), 200)] {
			dst = appendFrame(dst, op, payload[i:i+1])
			op = opContinuation
		}
		return appendFrame(dst, 0x80|opContinuation, nil)
	case 3:
		dst = appendFrame(dst, 0x80|pick(c.source, []byte{opPing, opPong}), c.mutate([]byte("a ping"))[:1])
	}
	return appendFrame(dst, 0x80|op, payload)
}

// appendOdd appends a frame of another kind, or one that is not valid.
func (c *client) appendOdd(dst, payload []byte) []byte {
	switch c.IntN(8) {
	case 0:
		return appendFrame(dst, 0x80|opBinary, payload)
	case 1:
		return appendFrame(dst, byte(c.IntN(256)), payload)
	case 2: // without a mask
		return append(append(dst, 0x80|opText, byte(min(len(payload), 125))), payload[:min(len(payload), 125)]...)
	case 3: // a length of which nothing follows
		return binary.BigEndian.AppendUint64(append(dst, 0x80|opText, 0x80|127), c.Uint64()>>c.IntN(64))
	case 4: // a close with any code
		return appendFrame(dst, 0x80|opClose, c.mutate(binary.BigEndian.AppendUint16(nil, uint16(c.IntN(5000)))))
	case 5: // a control frame that is too long or in fragments
		return appendFrame(dst, pick(c.source, []byte{0x80 | opPing, opPing, opClose}), make([]byte, c.IntN(300)))
	case 6:
		return appendFrame(dst, 0x80|opContinuation, payload)
	}
	return appendFrame(dst, 0x80|opText, make([]byte, c.IntN(200<<10)))
}

// appendFrame appends a client's frame. first is its first byte.
func appendFrame(dst []byte, first byte, payload []byte) []byte {
	dst = append(dst, first)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x5a, 0xc3, 0x96, 0x3c}
	dst = append(dst, mask[:]...)
	for i, b := range payload {
		dst = append(dst, b^mask[i&3])
	}
	return dst
}

// endSocket sends frames, closes the client's side of the connection, and reads until
// heartbeatd closes its side.
func (c *client) endSocket(frames []byte) {
	defer c.drop()
	_ = c.conn.SetWriteDeadline(time.Now().Add(endWait))
	_, _ = c.conn.Write(frames) // heartbeatd may have closed the connection
	c.finish()
	for {
		op, payload, err := c.readFrame()
		switch {
		case isTimeout(err):
			c.fault("%v: a WebSocket after %q", errOpen, cut(frames))
			return
		case errors.Is(err, errFrame):
			c.fault("%v after %q", err, cut(frames))
			return
		case err != nil:
			return
		}
		c.tally.frames.Add(1)
		switch {
		case op == opText && !json.Valid(payload):
			c.fault("a frame that is not JSON: %q", cut(payload))
		case op == opClose && len(payload) >= 2 && binary.BigEndian.Uint16(payload) == 1011:
			c.fault("a close with 1011, an internal error: %q after %q", payload, cut(frames))
		}
	}
}

var errFrame = errors.New("a frame of heartbeatd is not valid")

// readFrame reads a frame of heartbeatd, which sends no fragments.
func (c *client) readFrame() (op byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(c.in, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	switch {
	case head[0]&0xf0 != 0x80 || head[1]&0x80 != 0:
		return 0, nil, fmt.Errorf("%w: it begins with %x", errFrame, head[:2])
	case size == 126:
		_, err = io.ReadFull(c.in, head[:2])
		size = uint64(binary.BigEndian.Uint16(head[:]))
	case size == 127:
		_, err = io.ReadFull(c.in, head[:8])
		size = binary.BigEndian.Uint64(head[:])
	}
	op = head[0] & 15
	if err == nil && size > maxAnswer {
		err = fmt.Errorf("%w: it has %d bytes", errFrame, size)
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(c.in, payload)
	return op, payload, err
}
