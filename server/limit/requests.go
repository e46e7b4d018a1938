package limit

import "github.com/heartbeatd/heartbeatd/transport"

const (
	// maxMemory is the largest number of bytes of bodies that are kept in memory, maxFiles that
	// of bodies in temporary files, and maxBuffers that of answers which clients have not read.
	maxMemory  = 32 << 20
	maxFiles   = 1 << 30
	maxBuffers = 64 << 20
)

// Requests bounds what the requests to the WordPress of all sites use on a node.
type Requests struct {
	Memory, Files transport.Quota // of bodies
	Buffers       transport.Quota // of answers
}

func newRequests() *Requests {
	return &Requests{
		Memory: transport.Quota{Max: maxMemory}, Files: transport.Quota{Max: maxFiles}, Buffers: transport.Quota{Max: maxBuffers},
	}
}
