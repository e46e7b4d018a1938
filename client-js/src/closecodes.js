// The codes with which heartbeatd ends a connection, in a bye frame and as WebSocket close
// codes, named as in transport/bye.go. A test compares the two tables.

export const PROTOCOL = 4000 // stop using this transport
export const DRAINING = 4001 // this node is going away: reconnect after retryAfter
export const SLOW = 4002 // the page reads too slowly: reconnect after retryAfter
export const TICKET = 4003 // the ticket is refused, expired or revoked
export const REPLACED = 4004 // another connection has the page's connection id
export const TOO_LARGE = 4005 // a frame was larger than allowed
export const TOO_MANY = 4006 // a limit was reached: reconnect after retryAfter
export const LEFT = 4007 // the answer to leave
