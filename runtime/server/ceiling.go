package server

import (
	"io"
	"net"
	"sync"
	"time"
)

// Ceiling bounds the connections that are open at a time: of all its listeners together, and
// of one user to half of that, so that none can shut the others out. What is beyond gets 503.
type Ceiling struct {
	most int

	mu    sync.Mutex
	open  int
	users map[uint32]int
	turn  chan struct{} // one for every connection that is being refused with words
}

// NewCeiling allows most connections, 2 at least.
func NewCeiling(most int) *Ceiling {
	return &Ceiling{most: max(most, 2), users: map[uint32]int{}, turn: make(chan struct{}, 16)}
}

// Over puts the ceiling over a listener. Below TLS it refuses without words.
func (c *Ceiling) Over(l net.Listener, tls bool) net.Listener { return &bounded{l, c, tls} }

type bounded struct {
	net.Listener
	c   *Ceiling
	tls bool
}

// Accept waits for a connection that is not refused.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		uid := uint32(nobody)
		if u, ok := conn.(*net.UnixConn); ok {
			if p, err := peer(u); err == nil {
				uid = p.UID
			}
		}
		if b.c.enter(uid) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { b.c.leave(uid) })}, nil
		}
		b.c.refuse(conn, b.tls)
	}
}

func (c *Ceiling) enter(uid uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most || c.users[uid] >= c.most/2 {
		return false
	}
	c.open++
	c.users[uid]++
	return true
}

func (c *Ceiling) leave(uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.users[uid]--; c.users[uid] == 0 {
		delete(c.users, uid)
	}
}

// tooMany is the answer to a connection beyond the ceiling, whose request is not read.
const tooMany = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\r\n" +
	`{"error":{"message":"too many open connections","type":"server_error"}}` + "\n"

// refuse answers and closes. A connection that is closed with unread bytes is reset, and the
// client may lose the answer: what it has sent is read for a moment.
func (c *Ceiling) refuse(conn net.Conn, tls bool) {
	select {
	case c.turn <- struct{}{}:
	default:
		tls = true
	}
	if tls {
		conn.Close()
		return
	}
	go func() {
		defer func() { <-c.turn }()
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // the connection is gone
		if _, err := io.WriteString(conn, tooMany); err != nil {
			return
		}
		if h, ok := conn.(interface{ CloseWrite() error }); ok && h.CloseWrite() == nil {
			io.Copy(io.Discard, io.LimitReader(conn, bigBody)) //nolint:errcheck // until the client closes, or the deadline
		}
	}()
}

// counted leaves the count when it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}

// NetConn is the connection itself, for whom its kind matters.
func (c *counted) NetConn() net.Conn { return c.Conn }
