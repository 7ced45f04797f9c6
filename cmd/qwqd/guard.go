package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/guard"
)

// system are the files of the machine that the daemon reads: memory, load, processors,
// temperature, names of users and groups, the clock's zone.
var system = []string{
	"/proc/meminfo", "/proc/pressure", "/proc/self", "/proc/stat", "/proc/cpuinfo", "/sys/fs/cgroup", "/sys/class/thermal", "/sys/class/hwmon",
	"/sys/devices", "/sys/firmware/devicetree/base/model", "/sys/kernel/mm/transparent_hugepage", "/etc/passwd", "/etc/group", "/etc/localtime",
	"/usr/share/zoneinfo",
}

// confine bounds which files this process may open: before anything is opened, for the
// program is executed anew.
func confine(c *cli.Context) error {
	if c.Bool("no-guard") {
		return nil
	}
	r := guard.Rights{Read: slices.Clone(system), Notify: os.Getenv("NOTIFY_SOCKET")}
	for _, file := range prog.ConfigFiles() {
		r.Read = append(r.Read, file, filepath.Dir(file)) // the folder: editors put a new file in the old one's place
	}
	dirs := prog.ModelDirs(c.String("models"))
	if name := c.String("model"); name != "" {
		path, err := prog.FindModel(name, dirs)
		if err != nil {
			return err
		}
		dirs = append(dirs, filepath.Dir(path)) // the folder: the file's parts, and what replaces it
	}
	if name := c.String("draft"); name != "" {
		path, err := prog.FindModel(name, dirs)
		if err != nil {
			return err
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		r.Read = append(append(r.Read, dir), linked(dir)...)
	}
	for _, name := range []string{"token-file", "tls-cert", "tls-key", "images", "tracker", "encoder"} {
		if path := c.String(name); path != "" {
			r.Read = append(r.Read, path)
		}
	}
	state, _ := stateDir(c)
	for _, dir := range []string{state, cacheDir()} {
		if dir != "" && os.MkdirAll(dir, 0o700) == nil {
			r.Write = append(r.Write, dir)
		}
	}
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) { // else systemd has made the socket
		o, err := socketOptions(c)
		if err != nil {
			return err
		}
		dir := filepath.Dir(o.Path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		r.Sockets = append(r.Sockets, dir)
	}
	return prog.Hint(guard.Confine(r), "--no-guard does without")
}

// cacheDir holds the thread counts that were measured; "" where there is none.
func cacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "qwq")
}

// linked lists where the symbolic links of a model folder lead: the kernel looks at where a
// file is, not at the name it was opened by.
func linked(dir string) (out []string) {
	for _, pattern := range []string{"*", filepath.Join("*", "*.gguf")} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return out // a folder whose name is a pattern
		}
		for _, p := range paths {
			st, err := os.Lstat(p)
			if err != nil || st.Mode()&os.ModeSymlink == 0 {
				continue
			}
			if real, err := filepath.EvalSymlinks(p); err == nil {
				out = append(out, real)
			}
		}
	}
	return out
}

// seal forbids what a daemon with open sockets does not call, and says what is in force.
func (d *daemon) seal(c *cli.Context) error {
	if !c.Bool("no-guard") {
		if err := guard.Seal(); err != nil {
			return prog.Hint(err, "--no-guard does without")
		}
	}
	s := guard.Probe()
	d.log.Info("guard", "landlock", s.Landlock, "seccomp", s.Seccomp, "no_new_privs", s.NoNewPrivs, "why", s.Why)
	return nil
}

// mostConnections keeps descriptors for models, snapshots and what else is opened: each
// connection holds one, and two or three goroutines.
func mostConnections() int {
	const most, others = 512, 64
	if n := guard.Descriptors(); n > 0 {
		return min(most, n-others)
	}
	return most
}
