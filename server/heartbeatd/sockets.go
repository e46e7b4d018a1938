package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// The names of the sockets that systemd may open for heartbeatd: FileDescriptorName= of a socket
// unit. A connection that comes while heartbeatd is restarted waits in such a socket.
const (
	publicSocket = "public"
	adminSocket  = "admin"
)

// maxUnixPath is the largest number of bytes of the path of a Unix socket.
const maxUnixPath = 107

// listeners returns the public listener and the admin listener: those that systemd has opened, or
// those of the flags.
func (c *serveCmd) listeners(ctx context.Context, log *slog.Logger) (public, admin net.Listener, err error) {
	inherited, err := inherit()
	if err != nil {
		return nil, nil, err
	}
	if public = inherited[publicSocket]; public == nil {
		public, err = listenOn(ctx, log, "--listen", c.Listen)
	}
	if admin = inherited[adminSocket]; admin == nil && err == nil {
		admin, err = listenOn(ctx, log, "--admin-listen", c.AdminListen)
	}
	if err != nil {
		for _, l := range []net.Listener{public, admin} {
			if l != nil {
				_ = l.Close()
			}
		}
		return nil, nil, err
	}
	return public, admin, nil
}

// inherit returns the listening sockets that systemd has opened, by name.
func inherit() (map[string]net.Listener, error) {
	inherited := make(map[string]net.Listener)
	for _, f := range activation.Files(true) {
		l, err := net.FileListener(f)
		_ = f.Close()
		switch name := f.Name(); {
		case err != nil || !isStream(l):
			err = fmt.Errorf("systemd has opened a socket %q that heartbeatd cannot listen on: use ListenStream= in the socket unit, without Accept=yes", name)
		case name != publicSocket && name != adminSocket:
			err = fmt.Errorf("systemd has opened a socket %q: set FileDescriptorName= of the socket unit to %s or %s", name, publicSocket, adminSocket)
		case inherited[name] != nil:
			err = fmt.Errorf("systemd has opened several sockets %q: heartbeatd can use one", name)
		default:
			err = limitInherited(l)
			inherited[name], l = l, nil
		}
		if err != nil {
			if l != nil {
				_ = l.Close()
			}
			for _, l := range inherited {
				_ = l.Close()
			}
			return nil, err
		}
	}
	return inherited, nil
}

// isStream reports whether a listener accepts connections. Package net also makes one of a Unix socket
// for datagrams.
func isStream(l net.Listener) bool {
	network := l.Addr().Network()
	return network == "tcp" || network == "unix"
}

// limitInherited sets the limits of a listener of TCP.
func limitInherited(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil
	}
	c, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	if err = limitSendQueue("", "", c); errors.Is(err, syscall.ENOPROTOOPT) {
		return nil // a socket of Multipath TCP
	}
	return err
}

// listenOn listens on the address of a flag: HOST:PORT, or unix:PATH.
func listenOn(ctx context.Context, log *slog.Logger, flag, address string) (net.Listener, error) {
	path, isUnix := strings.CutPrefix(address, "unix:")
	var l net.Listener
	var err error
	if isUnix {
		l, err = listenUnix(ctx, path)
	} else { // with limits for what the kernel keeps for a client that does not read
		l, err = (&net.ListenConfig{Control: limitSendQueue}).Listen(ctx, "tcp", address)
	}
	switch {
	case err == nil && isUnix && isOpenFolder(filepath.Dir(path)):
		log.Warn(fmt.Sprintf("every user of this machine may connect to %s: put the socket into a folder of its own that only heartbeatd and the web server may enter, as systemd makes one with RuntimeDirectory= and RuntimeDirectoryMode=0750", address), "flag", flag)
		return l, nil
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: another program uses %s: stop it, or use %s with another address", flag, address, flag)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w: create the folder", flag, err)
	case errors.Is(err, fs.ErrPermission) && isUnix:
		return nil, fmt.Errorf("%s: %w: use a folder that heartbeatd may write to", flag, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %w: use %s with a port above 1023", flag, err, flag)
	}
	return nil, fmt.Errorf("%s: %w", flag, err)
}

// isOpenFolder reports whether every user of the machine may enter a folder.
func isOpenFolder(path string) bool {
	path, err := filepath.Abs(path)
	for parent := ""; err == nil && parent != path; path, parent = filepath.Dir(path), path {
		info, missing := os.Stat(path)
		if missing != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
	}
	return err == nil
}

// listenUnix listens on a Unix socket. It takes the place of one on which nobody listens any more.
// Everybody who may enter the folder may connect, as the web server must.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if path == "" || len(path) > maxUnixPath {
		return nil, fmt.Errorf("the path of a Unix socket has 1 to %d bytes, as unix:/run/heartbeatd/public.sock", maxUnixPath)
	}
	// Between the check and its own socket another process could make one.
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err == nil {
			return nil, cmp.Or(conn.Close(), error(syscall.EADDRINUSE))
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
