package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os/user"
	"slices"
	"strconv"
	"strings"
)

// Peer is the process at the other end of a Unix socket.
type Peer struct {
	UID, GID uint32
	PID      int32
}

// Access says who may use the daemon.
type Access struct {
	UIDs, GIDs []uint32 // on the Unix socket: any of them; both empty: whoever may open it
	Token      string   // on TCP: must be given; "": nobody may use TCP
	Hosts      []string // on TCP: names that the Host header may have beside addresses and localhost
}

// connKey is the context key of a connection's caller.
type connKey struct{}

type caller struct {
	tcp  bool
	peer Peer
	err  error // why the peer is not known
}

// ConnContext notes who opened a connection; it is for http.Server.
func (Access) ConnContext(ctx context.Context, c net.Conn) context.Context {
	for t, ok := c.(interface{ NetConn() net.Conn }); ok; t, ok = c.(interface{ NetConn() net.Conn }) { // TLS, Ceiling
		c = t.NetConn()
	}
	var who caller
	if u, ok := c.(*net.UnixConn); ok {
		who.peer, who.err = peer(u)
		ctx = WithUser(ctx, who.peer.UID)
	} else {
		who.tcp = true
		ctx = WithUser(ctx, nobody)
	}
	return context.WithValue(ctx, connKey{}, who)
}

// nobody is the user of TCP connections in fair shares and limits.
const nobody = 65534

// Guard lets through whom the rules allow. On the Unix socket any Host is accepted:
// clients invent one.
func (a Access) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.check(w, r); err != nil {
			if rec, ok := w.(*recorder); ok {
				rec.err = err
			}
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func forbidden(status int, typ, format string, args ...any) error {
	e := bad("", format, args...)
	e.Status, e.Type = status, typ
	return e
}

func (a Access) check(w http.ResponseWriter, r *http.Request) error {
	who, ok := r.Context().Value(connKey{}).(caller)
	switch {
	case !ok:
		return forbidden(http.StatusForbidden, "permission_error", "the connection has no known caller")
	case !who.tcp:
		return a.checkPeer(who)
	}
	if !a.knownHost(r.Host) {
		return forbidden(http.StatusForbidden, "permission_error", "the Host header %.100q is not one of this daemon", r.Host)
	}
	if o := r.Header.Get("Origin"); o != "" {
		u, err := url.Parse(o)
		if err != nil || u.Host != r.Host {
			return forbidden(http.StatusForbidden, "permission_error", "requests from other web pages are refused (Origin %.100q)", o)
		}
	}
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return nil
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		given = r.Header.Get("X-Api-Key")
	}
	x, y := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(a.Token))
	if a.Token == "" || subtle.ConstantTimeCompare(x[:], y[:]) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return forbidden(http.StatusUnauthorized, "authentication_error", "a valid token is needed: Authorization: Bearer TOKEN")
	}
	return nil
}

func (a Access) checkPeer(who caller) error {
	if len(a.UIDs)+len(a.GIDs) == 0 {
		return nil
	}
	if who.err != nil {
		return forbidden(http.StatusForbidden, "permission_error", "the caller is not known: %v", who.err)
	}
	if slices.Contains(a.UIDs, who.peer.UID) || slices.Contains(a.GIDs, who.peer.GID) || a.inGroup(who.peer.UID) {
		return nil
	}
	return forbidden(http.StatusForbidden, "permission_error", "user %d may not use this daemon", who.peer.UID)
}

// inGroup reports whether a user is a member of an allowed group.
func (a Access) inGroup(uid uint32) bool {
	if len(a.GIDs) == 0 {
		return false
	}
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return false
	}
	ids, err := u.GroupIds()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(a.GIDs, func(g uint32) bool { return slices.Contains(ids, strconv.Itoa(int(g))) })
}

// knownHost keeps pages of other sites, whose names were made to point here (DNS
// rebinding), away: addresses, localhost and the configured names are known.
func (a Access) knownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") {
		return true
	}
	return slices.ContainsFunc(a.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}
