//go:build !linux

package server

import (
	"errors"
	"net"
)

// peer is only known on Linux.
func peer(*net.UnixConn) (Peer, error) {
	return Peer{}, errors.New("peer credentials are known on Linux only")
}
