package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"
)

// SocketOptions say where the Unix socket is and who may use it.
type SocketOptions struct {
	Path  string
	Mode  fs.FileMode // 0: 0660
	Group string      // name or number; "": the process's
}

// ListenUnix listens on a Unix socket. A socket that is left over from a process that
// is gone is replaced, one that somebody answers on is an error, and what is no socket
// is never touched.
func ListenUnix(o SocketOptions) (*net.UnixListener, error) {
	if o.Mode == 0 {
		o.Mode = 0o660
	}
	if len(o.Path) > 107 { // sockaddr_un, unix(7)
		return nil, fmt.Errorf("socket path of %d bytes, at most 107: %s", len(o.Path), o.Path)
	}
	if err := removeStale(o.Path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o755); err != nil {
		return nil, err
	}
	// The socket gets its name when its mode and group are right.
	tmp := o.Path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	err = os.Chmod(tmp, o.Mode)
	if err == nil && o.Group != "" {
		var gid int
		if gid, err = groupID(o.Group); err == nil {
			err = os.Chown(tmp, -1, gid)
		}
	}
	if err == nil {
		err = os.Rename(tmp, o.Path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close(), os.Remove(tmp))
	}
	return l, nil
}

// removeStale removes a socket that nobody answers on.
func removeStale(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case st.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%s is there and is no socket", path)
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return fmt.Errorf("%s: another process answers on it", path)
	}
	return os.Remove(path)
}

func groupID(name string) (int, error) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// TLS makes a listener's connections TLS; a nil config leaves them as they are.
func TLS(l net.Listener, config *tls.Config) net.Listener {
	if config == nil {
		return l
	}
	return tls.NewListener(l, config)
}
