package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options of a Client; the zero value works.
type Options struct {
	Token string      // sent as a bearer token; TCP needs it
	TLS   *tls.Config // of https; nil: the system's
}

// Client talks to a daemon. Its methods may be called concurrently; the errors that
// the daemon tells are *Error.
//
//	c, err := api.Dial("/run/qwqd/qwqd.sock", api.Options{})
//	for piece, err := range c.ChatStream(ctx, &api.ChatRequest{Messages: …}) {
//		fmt.Print(piece.Text())
//	}
type Client struct {
	base  string // without the path
	token string
	http  *http.Client
}

// dialTime is how long a connection may take to be made. Answers may take any time:
// contexts bound them.
const dialTime = 10 * time.Second

// Dial makes a client of the daemon at target: the path of a Unix socket (unix:///path
// too), or an http or https URL without a path. Nothing is connected yet.
func Dial(target string, o Options) (*Client, error) {
	d := &net.Dialer{Timeout: dialTime}
	t := &http.Transport{TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: 0}
	c := &Client{base: target, token: o.Token, http: &http.Client{Transport: t}}
	path, isUnix := strings.CutPrefix(target, "unix://")
	if !strings.Contains(target, "://") {
		path, isUnix = target, true
	}
	if isUnix {
		if path == "" {
			return nil, errors.New("api: the path of the socket is empty")
		}
		c.base = "http://qwqd"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }
		return c, nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("api: %q is not the path of a socket, http://HOST:PORT or https://HOST:PORT", target)
	}
	t.DialContext = d.DialContext
	c.base = u.Scheme + "://" + u.Host
	return c, nil
}

// HTTP is the client's own http.Client, for what has no method: the host of its URLs
// does not matter on a Unix socket.
func (c *Client) HTTP() *http.Client { return c.http }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do sends a request, body as JSON unless nil, and returns an answer whose status is
// good. Its body must be closed.
func (c *Client) Do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("api: %w", err)
		}
		r = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, c.base+path, r)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		q.Header.Set("Authorization", "Bearer "+c.token)
	}
	a, err := c.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if a.StatusCode >= 400 {
		defer a.Body.Close()
		return nil, readError(a)
	}
	return a, nil
}

// mostAnswer bounds an answer that is read as a whole, and an event of a stream.
const mostAnswer = 64 << 20

// mostError bounds the body of an error.
const mostError = 64 << 10

// readError makes an error of an answer, in whatever API's form it is.
func readError(a *http.Response) *Error {
	b, _ := io.ReadAll(io.LimitReader(a.Body, mostError)) // what came of it
	e := parseError(b)
	if e == nil {
		e = &Error{Message: cmp.Or(strings.TrimSpace(string(b)), http.StatusText(a.StatusCode))}
	}
	e.Status = a.StatusCode
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && n > 0 {
		e.After = n
	}
	return e
}

// parseError reads OpenAI's and Anthropic's {"error":{"message":…}} and Ollama's
// {"error":"…"}; nil when there is none.
func parseError(b []byte) *Error {
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	e := &Error{}
	if json.Unmarshal(b, &body) == nil && len(body.Error) > 0 && string(body.Error) != "null" &&
		(json.Unmarshal(body.Error, &e.Message) == nil || json.Unmarshal(body.Error, e) == nil) {
		return e
	}
	return nil
}

// Get fills v from GET path.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	return c.call(ctx, http.MethodGet, path, nil, v)
}

// Post fills v from POST path with a body.
func (c *Client) Post(ctx context.Context, path string, body, v any) error {
	return c.call(ctx, http.MethodPost, path, body, v)
}

func (c *Client) call(ctx context.Context, method, path string, body, v any) error {
	a, err := c.Do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, mostAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("api: %s %s: %w", method, path, err)
	case len(b) > mostAnswer:
		return fmt.Errorf("api: %s %s: the answer is larger than %d bytes", method, path, mostAnswer)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("api: %s %s: %w", method, path, err)
	}
	return nil
}
