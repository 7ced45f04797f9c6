package prog

import (
	"os"
	"path/filepath"
)

// systemSocket is where systemd's service listens (RuntimeDirectory=qwqd).
const systemSocket = "/run/qwqd/qwqd.sock"

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
