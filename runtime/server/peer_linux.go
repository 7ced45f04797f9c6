package server

import (
	"net"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end of a Unix socket (SO_PEERCRED, unix(7)).
func peer(c *net.UnixConn) (p Peer, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return p, err
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil {
		return p, cerr
	}
	if err != nil {
		return p, err
	}
	return Peer{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}, nil
}
