//go:build linux && (amd64 || arm64 || arm)

package guard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// confined names the variable that holds the id of the process that was restricted before
// it was executed anew. A child that inherits it has another id.
const confined = "QWQD_CONFINED"

const (
	readAccess   = ll.AccessFSReadFile | ll.AccessFSReadDir
	socketAccess = ll.AccessFSMakeSock | ll.AccessFSRemoveFile
	writeAccess  = readAccess | ll.AccessFSWriteFile | ll.AccessFSRemoveFile | ll.AccessFSRemoveDir | ll.AccessFSMakeReg |
		ll.AccessFSMakeDir | ll.AccessFSRefer | ll.AccessFSTruncate
	fileAccess = ll.AccessFSReadFile | ll.AccessFSExecute // what a rule on a file may hold
	firstABI   = ll.AccessFSMakeSym<<1 - 1                // every right of version 1: execute to make_sym
)

// handled is what a version of landlock can refuse, as
// https://docs.kernel.org/userspace-api/landlock.html lists it.
func handled(abi int, r *Rights) ll.RulesetAttr {
	a := ll.RulesetAttr{HandledAccessFS: firstABI}
	if abi >= 2 {
		a.HandledAccessFS |= ll.AccessFSRefer
	}
	if abi >= 3 {
		a.HandledAccessFS |= ll.AccessFSTruncate
	}
	if abi >= 4 {
		a.HandledAccessNet = ll.AccessNetConnectTCP // no rule allows any
	}
	if abi >= 5 {
		a.HandledAccessFS |= ll.AccessFSIoctlDev
	}
	if abi >= 6 {
		a.Scoped = ll.ScopeSignal
		if !strings.HasPrefix(r.Notify, "@") {
			a.Scoped |= ll.ScopeAbstractUnixSocket
		}
	}
	return a
}

// version is landlock's; an error where the kernel has none, or who runs this forbids to ask.
func version() (int, error) {
	n, err := ll.LandlockGetABIVersion()
	if err == nil && n < 1 {
		err = unix.ENOSYS
	}
	if err != nil {
		return 0, fmt.Errorf("landlock: %w", err)
	}
	return n, nil
}

// Confine restricts the process to r and executes the program anew; in the new image, and
// where the kernel has no landlock, it returns nil. Call it before anything is opened.
func Confine(r Rights) error {
	if os.Getenv(confined) == strconv.Itoa(os.Getpid()) {
		return os.Unsetenv(confined)
	}
	abi, err := version()
	if err != nil {
		missing.landlock = err.Error()
		return nil //nolint:nilerr // Probe tells
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	set, err := ruleset(&r, exe, handled(abi, &r))
	if err != nil {
		return err
	}
	runtime.LockOSThread() // for good: an error below ends the program
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	if err := ll.LandlockRestrictSelf(set, 0); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	env := append(os.Environ(), confined+"="+strconv.Itoa(os.Getpid()))
	return fmt.Errorf("%s: executing it anew: %w", exe, syscall.Exec(exe, os.Args, env))
}

// ruleset makes landlock's rules; its file descriptor closes at exec.
func ruleset(r *Rights, exe string, a ll.RulesetAttr) (int, error) {
	set, err := ll.LandlockCreateRuleset(&a, 0)
	if err != nil {
		return 0, fmt.Errorf("landlock: %w", err)
	}
	libraries, err := loader(exe)
	err = errors.Join(err, allow(set, exe, fileAccess))
	for _, p := range libraries {
		err = errors.Join(err, allow(set, p, readAccess|ll.AccessFSExecute))
	}
	for _, p := range r.Read {
		err = errors.Join(err, allow(set, p, readAccess))
	}
	for _, p := range r.Write {
		err = errors.Join(err, allow(set, p, writeAccess&a.HandledAccessFS))
	}
	for _, p := range r.Sockets {
		err = errors.Join(err, allow(set, p, socketAccess))
	}
	return set, err
}

// allow adds a rule. A path that cannot be opened can be given no right.
func allow(set int, path string, rights uint64) error {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if strings.HasPrefix(path, "/proc/") {
		// A rule is about an inode, and proc makes new ones when the cache of names was
		// emptied: these stay open, in the new image too, so that their names stay cached.
		flags = unix.O_PATH
	}
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.ENOTDIR) {
			return nil
		}
		return &fs.PathError{Op: "landlock", Path: path, Err: err}
	}
	if flags&unix.O_CLOEXEC != 0 {
		defer unix.Close(fd)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &fs.PathError{Op: "landlock", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileAccess
	}
	if rights == 0 {
		return nil
	}
	if err := ll.LandlockAddPathBeneathRule(set, &ll.PathBeneathAttr{AllowedAccess: rights, ParentFd: fd}, 0); err != nil {
		return &fs.PathError{Op: "landlock", Path: path, Err: err}
	}
	return nil
}
