package webui

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// Options of a UI.
type Options struct {
	Daemon http.RoundTripper // carries requests to the daemon
	Base   *url.URL          // scheme and host of these; nil: http://qwqd, any will do on a Unix socket
	Token  string            // sent to the daemon as a bearer token; "": none
	Advice string            // what the page adds where the daemon does not answer
}

// UI is the page of one daemon. Its methods may be called concurrently.
type UI struct {
	o      Options
	routes map[string]http.Handler // by method and path

	mu    sync.Mutex
	token string // that opens the page; "": it was used
	key   string // the cookie's value
}

// New makes a page with a token of its own.
func New(o Options) *UI {
	if o.Base == nil {
		o.Base = &url.URL{Scheme: "http", Host: "qwqd"}
	}
	u := &UI{o: o, token: secret(), key: secret()}
	daemon := u.known(u.proxy())
	u.routes = map[string]http.Handler{
		"POST /session":             http.HandlerFunc(u.session),
		"POST /v1/chat/completions": daemon,
		"GET /v1/models":            daemon,
		"GET /qwq/v1/status":        daemon,
	}
	return u
}

// secret is 256 random bits.
func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Token opens the page once, as the fragment #token=TOKEN of its address: a fragment is
// sent to nobody and the page forgets it. It is "" when it was used.
func (u *UI) Token() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.token
}

// Handler serves the page's files, the exchange of the token, and the few endpoints of
// the daemon that the page needs.
func (u *UI) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header())
		if err := u.check(r); err != nil {
			refuse(w, http.StatusForbidden, "permission_error", err.Error())
			return
		}
		if f, ok := files[r.URL.Path]; ok && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
			f.serve(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		h, ok := u.routes[r.Method+" "+r.URL.Path]
		if !ok {
			refuse(w, http.StatusNotFound, "invalid_request_error", fmt.Sprintf("%s %.200s is not served here", r.Method, r.URL.Path))
			return
		}
		h.ServeHTTP(w, r)
	})
}

// policy lets the page load its own files and nothing else, be framed by nobody, and
// make no HTML of strings.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

func protect(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// session exchanges the token for the cookie.
func (u *UI) session(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "the body must be {\"token\": …}")
		return
	}
	u.mu.Lock()
	good := u.token != "" && same(q.Token, u.token)
	if good {
		u.token = ""
	}
	u.mu.Unlock()
	if !good && !u.has(r) { // a page that is loaded again with its old address is known already
		refuse(w, http.StatusUnauthorized, "authentication_error", "This address was used before, or it is of an earlier run.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Value: u.key, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}

// cookieName has the port: cookies do not tell ports apart, and two pages on one machine
// must not take each other's away.
func cookieName(r *http.Request) string {
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		port = "80"
	}
	return "qwq-" + port
}

func (u *UI) has(r *http.Request) bool {
	c, err := r.Cookie(cookieName(r))
	return err == nil && same(c.Value, u.key)
}

// known lets those through who have the cookie.
func (u *UI) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !u.has(r) {
			refuse(w, http.StatusUnauthorized, "authentication_error", "This browser has not opened the page with the address that qwq ui printed.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// same compares in a time that does not tell where two secrets differ.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// refuse answers with an error in OpenAI's form.
func refuse(w http.ResponseWriter, status int, typ, message string) {
	b, _ := json.Marshal(map[string]any{"error": map[string]any{"message": message, "type": typ}}) // strings can be written
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) //nolint:errcheck // the browser has gone
}
