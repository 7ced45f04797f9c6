package webui

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestOwner: the kernel's table says whose a connection on this machine is.
func TestOwner(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	from, _ := addrPort(server.RemoteAddr())
	to, _ := addrPort(server.LocalAddr())
	if uid, ok := owner(from, to); !ok || uid != uint32(os.Getuid()) {
		t.Errorf("user %d %v, want %d", uid, ok, os.Getuid())
	}
	if _, ok := owner(netip.AddrPortFrom(from.Addr(), 1), to); ok {
		t.Error("a connection that is not there has a user")
	}
	if ctx := New(Options{}).ConnContext(context.Background(), server); ctx.Value(ownerKey{}) != nil {
		t.Error(ctx.Value(ownerKey{}))
	}
}

// TestFindOwner reads tables as a little-endian and an IPv6 kernel write them.
func TestFindOwner(t *testing.T) {
	client, server := netip.MustParseAddrPort("127.0.0.1:50000"), netip.MustParseAddrPort("127.0.0.1:8080")
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for name, c := range map[string]struct {
		table string
		uid   uint32
		ok    bool
	}{
		"IPv4":         {"   0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n   1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 02:000000AA 00000000  1001        0 2 1\n", 1001, true},
		"IPv6":         {"   0: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1F90 01 0:0 0:0 0 1002 0\n", 1002, true},
		"another port": {"   1: 0100007F:C351 0100007F:1F90 01 0:0 0:0 0 1001 0\n", 0, false},
		"cut off":      {"   1: 0100007F:C350 0100007F:1F90 01\n", 0, false},
		"nonsense":     {"   1: xx:C350 0100:1F90 01 0:0 0:0 0 1001 0\n   2: : : 0 0 0 0 0\n", 0, false},
		"no number":    {"   1: 0100007F:C350 0100007F:1F90 01 0:0 0:0 0 root 0\n", 0, false},
	} {
		if uid, ok := findOwner(strings.NewReader(head+c.table), client, server); uid != c.uid || ok != c.ok {
			t.Errorf("%s: %d %v, want %d %v", name, uid, ok, c.uid, c.ok)
		}
	}
}

func TestWelcome(t *testing.T) {
	for _, c := range []struct {
		euid int
		sudo string
		want []uint32
	}{{1000, "", []uint32{1000, 0}}, {1000, "7", []uint32{1000, 0}}, {0, "1000", []uint32{0, 0, 1000}}, {0, "x", []uint32{0, 0}}} {
		if got := welcome(c.euid, c.sudo); !slices.Equal(got, c.want) {
			t.Errorf("user %d, sudo %q: %v, want %v", c.euid, c.sudo, got, c.want)
		}
	}
}

// TestOtherUser: a connection of somebody else is refused, files and all.
func TestOtherUser(t *testing.T) {
	_, s := serve(t, nil, Options{})
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, ownerKey{}, net.ErrClosed)
	}
	if a, _ := send(t, s, http.MethodGet, "/", "", nil); a.StatusCode != http.StatusForbidden {
		t.Errorf("%d", a.StatusCode)
	}
}
