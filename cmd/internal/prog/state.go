package prog

import (
	"os"
	"path/filepath"
)

// StateDir is the folder of what the daemon keeps: named by systemd, or the user's. "" where
// there is none.
func StateDir() string {
	dir := filepath.SplitList(os.Getenv("STATE_DIRECTORY")) // systemd.exec(5): between colons
	if len(dir) > 0 {
		return dir[0]
	}
	base := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); base == "" && err == nil {
		base = filepath.Join(home, ".local", "state")
	}
	if !filepath.IsAbs(base) { // the XDG specification: a relative path is to be ignored
		return ""
	}
	return filepath.Join(base, "qwq")
}
