package webui

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// check refuses what other web pages, other users and names that were made to point here
// (DNS rebinding) send.
func (u *UI) check(r *http.Request) error {
	if err, ok := r.Context().Value(ownerKey{}).(error); ok {
		return err
	}
	if !loopback(r.Host) {
		return fmt.Errorf("the Host header %.100q is not this machine's", r.Host)
	}
	origin := r.Header.Get("Origin")
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if origin == "" && !reads {
		return fmt.Errorf("%s without an Origin header", r.Method)
	}
	if origin != "" {
		if o, err := url.Parse(origin); err != nil || o.Scheme != "http" || o.Host != r.Host {
			return fmt.Errorf("requests from other web pages are refused (Origin %.100q)", origin)
		}
	}
	if _, isFile := files[r.URL.Path]; !isFile {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
			return fmt.Errorf("requests from other web pages are refused (Sec-Fetch-Site %.20q)", site)
		}
	}
	return nil
}

// loopback reports whether a Host header names this machine. Any port is good: ssh -L may
// give the page another one.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && a.IsLoopback()
}

// ownerKey is the context key of the error that a connection of another user has.
type ownerKey struct{}

// ConnContext notes connections that another user of this machine opened, where the kernel
// tells whose they are: a token on a command line, and a cookie that a browser gave to a
// program on another port, are no secrets among users. It is for http.Server.
func (u *UI) ConnContext(ctx context.Context, c net.Conn) context.Context {
	client, ok1 := addrPort(c.RemoteAddr())
	server, ok2 := addrPort(c.LocalAddr())
	if !ok1 || !ok2 {
		return ctx
	}
	uid, ok := owner(client, server)
	if !ok || slices.Contains(welcome(os.Geteuid(), os.Getenv("SUDO_UID")), uid) {
		return ctx
	}
	return context.WithValue(ctx, ownerKey{}, fmt.Errorf("user %d may not use the page of user %d", uid, os.Geteuid()))
}

// welcome lists the users who may connect to a page of user euid: this one, root, and of
// sudo's page who called sudo.
func welcome(euid int, sudo string) []uint32 {
	list := []uint32{uint32(euid), 0}
	if n, err := strconv.ParseUint(sudo, 10, 32); err == nil && euid == 0 {
		list = append(list, uint32(n))
	}
	return list
}

func addrPort(a net.Addr) (netip.AddrPort, bool) {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()), true
}
