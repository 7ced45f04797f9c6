package webui

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// owner is the user whose socket connects client to server, both on this machine; ok is
// false where the kernel does not say.
func owner(client, server netip.AddrPort) (uid uint32, ok bool) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} { // an IPv6 socket may call an IPv4 address
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		uid, ok = findOwner(f, client, server)
		f.Close()
		if ok {
			return uid, true
		}
	}
	return 0, false
}

// findOwner reads the kernel's table of TCP sockets (proc(5)): one line each,
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid …
//
// with addresses as hexadecimal words in the machine's byte order.
func findOwner(r io.Reader, client, server netip.AddrPort) (uint32, bool) {
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 8 {
			continue
		}
		local, ok1 := parseAddr(f[1])
		remote, ok2 := parseAddr(f[2])
		if !ok1 || !ok2 || local != client || remote != server {
			continue
		}
		uid, err := strconv.ParseUint(f[7], 10, 32)
		return uint32(uid), err == nil
	}
	return 0, false
}

// parseAddr reads 0100007F:1F90, 127.0.0.1:8080 on a little-endian machine.
func parseAddr(s string) (netip.AddrPort, bool) {
	addr, port, ok := strings.Cut(s, ":")
	p, err := strconv.ParseUint(port, 16, 16)
	b, err2 := hex.DecodeString(addr)
	if !ok || err != nil || err2 != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	a, ok := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), ok
}
