// Package embedded runs a NATS server in this process.
package embedded

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/heartbeatd/heartbeatd/broker/budget"
	"github.com/heartbeatd/heartbeatd/broker/presence"
)

// memoryLimit bounds the embedded JetStream: 100,000 entries take 134 MB.
const memoryLimit = 1 << 30

// fileLimit bounds what the embedded JetStream keeps in files.
const fileLimit = 2 * budget.StreamBytes

// Login is a NATS user that may subscribe to published presence and do nothing else.
type Login struct {
	User, Password string
	Site           string // may read this site only; empty: all sites
}

// OwnUser is the NATS user of this process, if there are observers.
const OwnUser = "heartbeatd"

// storePrefix is the prefix of the folders of embedded NATS servers, in the temporary folder.
const storePrefix = "heartbeatd-nats-"

// Server is a NATS server in this process.
type Server struct {
	*server.Server
	Password string // of OwnUser
	dir      string
	stays    bool     // the folder is kept for the next process
	lock     *os.File // locked as long as this process lives; nil if the system has no locks
}

// StateDirError is the error for a folder in which the embedded NATS server cannot keep anything.
type StateDirError struct{ error }

func (e *StateDirError) Unwrap() error { return e.error }

// Start starts a NATS server with streams in memory, and in files if there is a folder for them. Without a
// listen address it opens no port.
func Start(listen, stateDir string, observers []Login, log *slog.Logger) (*Server, error) {
	opts := &server.Options{
		ServerName:         "heartbeatd",
		DontListen:         listen == "",
		JetStream:          true,
		JetStreamMaxMemory: memoryLimit,
		JetStreamMaxStore:  1,    // byte: streams that other nodes want in a file are created in memory
		SyncAlways:         true, // what is kept is little, and written rarely
		NoSigs:             true,
	}
	password := rand.Text()
	if len(observers) > 0 {
		opts.Users = append(Readers(observers), &server.User{Username: OwnUser, Password: password})
	}
	if listen != "" {
		if err := listenOn(opts, listen); err != nil {
			return nil, err
		}
	}
	dir, lock, err := storeDir(stateDir, log)
	if err != nil {
		return nil, err
	}
	e := &Server{dir: dir, stays: stateDir != "", lock: lock, Password: password}
	opts.StoreDir = dir
	if e.stays {
		opts.JetStreamMaxStore = fileLimit
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, errors.Join(err, e.release())
	}
	e.Server = ns
	ns.SetLoggerV2(natsLog{log}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(10 * time.Second) {
		e.Close()
		return nil, errors.New("the embedded NATS server did not start within 10 s")
	}
	return e, nil
}

// storeDir returns a locked folder for the embedded NATS server: a new one, or one that stays.
func storeDir(stateDir string, log *slog.Logger) (dir string, lock *os.File, err error) {
	if stateDir != "" {
		dir = filepath.Join(stateDir, "nats")
		if err = os.MkdirAll(dir, 0o700); err == nil {
			lock, err = lockStoreDir(dir)
		}
		if err != nil {
			return "", nil, &StateDirError{fmt.Errorf("the state folder %s cannot be used, or another heartbeatd uses it: %w", stateDir, err)}
		}
		return dir, lock, nil
	}
	removeDeadStoreDirs(log)
	if dir, err = os.MkdirTemp("", storePrefix); err != nil {
		return "", nil, fmt.Errorf("the embedded NATS server needs a temporary folder: set TMPDIR to one that heartbeatd may write to: %w", err)
	}
	if lock, err = lockStoreDir(dir); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, lock, nil
}

// Close stops the server, and waits for it.
func (e *Server) Close() error {
	e.Shutdown()
	e.WaitForShutdown()
	return e.release()
}

// release gives the folder up, and removes it unless it stays.
func (e *Server) release() (err error) {
	if !e.stays {
		err = os.RemoveAll(e.dir)
	}
	if e.lock != nil {
		_ = e.lock.Close()
	}
	return err
}

// Readers returns the users for observers. They may only subscribe: a user who may create a
// JetStream consumer chooses the subject that it delivers to, and so can write to the
// subjects of other sites.
func Readers(observers []Login) (users []*server.User) {
	for _, o := range observers {
		users = append(users, &server.User{Username: o.User, Password: o.Password, Permissions: &server.Permissions{
			Subscribe: &server.SubjectPermission{Allow: []string{presence.SubjectPrefix + presence.KeyFilter(o.Site)}},
			Publish:   &server.SubjectPermission{Deny: []string{">"}},
		}})
	}
	return users
}

// listenOn sets the listen address. It tries it first, since the NATS server exits the
// process if the address is in use.
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
		return fmt.Errorf("NATS listen address: %w", err)
	}
	return l.Close()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// natsLog writes the NATS server's log messages to a slog.Logger. Notices have the level
// debug.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(format string, v ...any) { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Debugf(format string, v ...any)  { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Tracef(format string, v ...any)  { l.log.Debug(natsLine(format, v)) }
func (l natsLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return // the warning is about configuration files, and there is none
	}
	l.log.Warn(natsLine(format, v))
}
func (l natsLog) Errorf(format string, v ...any) { l.log.Error(natsLine(format, v)) }
func (l natsLog) Fatalf(format string, v ...any) { l.log.Error(natsLine(format, v)) }

func natsLine(format string, v []any) string {
	return "nats-server: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}
