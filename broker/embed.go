package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// memoryLimit bounds the embedded JetStream: 100,000 entries take 134 MB.
const memoryLimit = 1 << 30

// embedded is a NATS server in this process.
type embedded struct {
	*server.Server
	dir string
}

// embed starts it, in memory. Without a listen address it has no port.
func embed(listen, token string, log *slog.Logger) (*embedded, error) {
	opts := &server.Options{
		ServerName:         "heartbeatd",
		DontListen:         listen == "",
		Authorization:      token,
		JetStream:          true,
		JetStreamMaxMemory: memoryLimit,
		JetStreamMaxStore:  1 << 20, // nothing is kept on disk
		NoSigs:             true,
	}
	if listen != "" {
		if err := listenOn(opts, listen, token); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "heartbeatd-nats-")
	if err != nil {
		return nil, err
	}
	opts.StoreDir = dir
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	e := &embedded{ns, dir}
	ns.SetLoggerV2(natsLog{log}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		e.close()
		return nil, errors.New("the embedded NATS server did not start within 10 s")
	}
	return e, nil
}

func (e *embedded) close() error {
	e.Shutdown()
	e.WaitForShutdown()
	return os.RemoveAll(e.dir)
}

// listenOn also tries the address: the server itself would take its being in
// use as a reason to exit.
func listenOn(opts *server.Options, listen, token string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("NATS listen address %q: %w", listen, err)
	}
	if token == "" && !isLoopback(host) {
		return fmt.Errorf("NATS listen address %q: without a token only a loopback address may be opened, such as 127.0.0.1:4222", listen)
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("NATS listen address %q: the port must be a number", listen)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
		return nil
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return l.Close()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// natsLog is the server's log in ours. It speaks of its own start and stop at
// length, which is of interest to somebody debugging it.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(format string, v ...any) { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Debugf(format string, v ...any)  { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Tracef(format string, v ...any)  { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Warnf(format string, v ...any)   { l.log.Warn(natsLine(format, v)) }
func (l natsLog) Errorf(format string, v ...any)  { l.log.Error(natsLine(format, v)) }
func (l natsLog) Fatalf(format string, v ...any)  { l.log.Error(natsLine(format, v)) }

func natsLine(format string, v []any) string {
	return "nats-server: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}
