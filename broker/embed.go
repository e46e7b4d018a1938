package broker

import (
	"crypto/rand"
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

// Login is a NATS user who may subscribe to what is published of presence, and
// to nothing else; publish they may not.
type Login struct {
	User, Password string
	Site           string // only of this site; empty: of all
}

// ownUser is this process, when others must say who they are.
const ownUser = "heartbeatd"

// embedded is a NATS server in this process.
type embedded struct {
	*server.Server
	dir      string
	password string // of ownUser
}

// embed starts it, in memory. Without a listen address it has no port.
func embed(listen string, observers []Login, log *slog.Logger) (*embedded, error) {
	opts := &server.Options{
		ServerName:         "heartbeatd",
		DontListen:         listen == "",
		JetStream:          true,
		JetStreamMaxMemory: memoryLimit,
		JetStreamMaxStore:  1 << 20, // nothing is kept on disk
		NoSigs:             true,
	}
	password := rand.Text()
	if len(observers) > 0 {
		opts.Users = append(readers(observers), &server.User{Username: ownUser, Password: password})
	}
	if listen != "" {
		if err := listenOn(opts, listen); err != nil {
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
	e := &embedded{ns, dir, password}
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

// readers lets observers subscribe and no more. A right to JetStream consumers
// would let them read what there is already; but a consumer delivers where its
// maker says, into other sites' subjects too, so whoever may make one can write.
func readers(observers []Login) (users []*server.User) {
	for _, o := range observers {
		users = append(users, &server.User{Username: o.User, Password: o.Password, Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{subjects + observerFilter(o.Site)}},
			Publish:   &server.SubjectPermission{Deny: []string{">"}},
		}})
	}
	return users
}

// listenOn also tries the address: the server itself would take its being in
// use as a reason to exit.
func listenOn(opts *server.Options, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("NATS listen address %q: %w", listen, err)
	}
	if len(opts.Users) == 0 && !isLoopback(host) {
		return fmt.Errorf("NATS listen address %q: without observers' passwords only a loopback address may be opened, such as 127.0.0.1:4222", listen)
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
func (l natsLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return // it means a file with them, and these are in no file of NATS's
	}
	l.log.Warn(natsLine(format, v))
}
func (l natsLog) Errorf(format string, v ...any) { l.log.Error(natsLine(format, v)) }
func (l natsLog) Fatalf(format string, v ...any) { l.log.Error(natsLine(format, v)) }

func natsLine(format string, v []any) string {
	return "nats-server: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}
