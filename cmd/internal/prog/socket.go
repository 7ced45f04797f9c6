package prog

import (
	"os"
	"path/filepath"
)

// systemSocket is where systemd's service listens (RuntimeDirectory=qwqd).
const systemSocket = "/run/qwqd/qwqd.sock"

// DaemonSocket is where a client looks where nothing else is said: Socket, or the system's
// where the user has no daemon.
func DaemonSocket() string {
	own := Socket()
	if _, err := os.Stat(own); err != nil {
		if _, err := os.Stat(systemSocket); err == nil {
			return systemSocket
		}
	}
	return own
}

// Socket is the daemon's socket where nothing else is said: root's and the system's in
// /run/qwqd, a user's own in $XDG_RUNTIME_DIR, or in the folder for temporary files.
func Socket() string {
	if os.Geteuid() == 0 {
		return systemSocket
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "qwqd.sock")
}
