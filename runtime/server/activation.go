package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// firstFD is the first file descriptor that systemd passes (sd_listen_fds(3)).
const firstFD = 3

// Activated returns the sockets that systemd opened for this process, none when it did
// not. The variables are removed: they are not for children.
func Activated() ([]net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if pid != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > 16 {
		return nil, fmt.Errorf("LISTEN_FDS=%q is not 1 to 16", count)
	}
	var out []net.Listener
	for fd := firstFD; fd < firstFD+n; fd++ {
		f := os.NewFile(uintptr(fd), "systemd")
		l, err := net.FileListener(f) // a duplicate
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("socket %d of systemd: %w", fd, err)
		}
		out = append(out, l)
	}
	return out, nil
}

// Notifier tells systemd how the process is (sd_notify(3)). The zero value tells nobody.
type Notifier struct {
	conn net.Conn
	// Watchdog is how often Alive must be told; 0: never.
	Watchdog time.Duration
}

// NewNotifier looks in the environment whom to tell.
func NewNotifier() (*Notifier, error) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return &Notifier{}, nil
	}
	if strings.HasPrefix(path, "@") { // abstract
		path = "\x00" + path[1:]
	}
	c, err := net.Dial("unixgram", path)
	if err != nil {
		return nil, err
	}
	n := &Notifier{conn: c}
	if us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 {
		if pid := os.Getenv("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
			n.Watchdog = time.Duration(us) * time.Microsecond
		}
	}
	return n, nil
}

func (n *Notifier) tell(state string) error {
	if n.conn == nil {
		return nil
	}
	_, err := n.conn.Write([]byte(state))
	return err
}

// Ready says that requests are served.
func (n *Notifier) Ready() error { return n.tell("READY=1") }

// Stopping says that no more are taken.
func (n *Notifier) Stopping() error { return n.tell("STOPPING=1") }

// Alive feeds the watchdog.
func (n *Notifier) Alive() error { return n.tell("WATCHDOG=1") }

// Status says in words what goes on.
func (n *Notifier) Status(text string) error {
	return n.tell("STATUS=" + strings.ReplaceAll(text, "\n", " "))
}

// Close ends telling.
func (n *Notifier) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}
