package webui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"
)

// serve serves a page whose daemon is a handler, and gives a client with its cookies.
func serve(t *testing.T, daemon http.HandlerFunc, o Options) (*UI, *httptest.Server) {
	t.Helper()
	d := httptest.NewServer(daemon)
	t.Cleanup(d.Close)
	base, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.Daemon, o.Base = http.DefaultTransport, base
	u := New(o)
	s := httptest.NewUnstartedServer(u.Handler())
	s.Config.ConnContext = u.ConnContext
	s.Start()
	t.Cleanup(s.Close)
	return u, s
}

// answer is what came back.
type answer struct {
	StatusCode int
	Header     http.Header
	Cookies    []*http.Cookie
}

// send sends a request as the page would, less or more what edit does.
func send(t *testing.T, s *httptest.Server, method, path, body string, edit func(*http.Request)) (answer, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	if method == http.MethodPost {
		q.Header.Set("Origin", s.URL)
	}
	if edit != nil {
		edit(q)
	}
	a, err := s.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, a.Cookies()}, string(b)
}

func unlock(t *testing.T, s *httptest.Server, token string) (int, *http.Cookie) {
	t.Helper()
	a, _ := send(t, s, http.MethodPost, "/session", `{"token":"`+token+`"}`, nil)
	for _, c := range a.Cookies {
		return a.StatusCode, c
	}
	return a.StatusCode, nil
}

// TestToken: the token gives a cookie once; without that cookie nothing reaches the daemon.
func TestToken(t *testing.T) {
	asked := 0
	u, s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked++ }, Options{})
	token := u.Token()
	if len(token) < 43 {
		t.Fatalf("token %q has less than 256 bits", token)
	}
	for _, wrong := range []string{"", "x", token + "x", token[1:]} {
		if status, c := unlock(t, s, wrong); status != http.StatusUnauthorized || c != nil {
			t.Errorf("token %q: %d, cookie %v", wrong, status, c)
		}
	}
	for _, r := range []string{"GET /v1/models", "GET /qwq/v1/status", "POST /v1/chat/completions"} {
		method, p, _ := strings.Cut(r, " ")
		for name, c := range map[string]*http.Cookie{"none": nil, "wrong": {Name: "qwq-" + port(s), Value: strings.Repeat("A", 43)}} {
			a, body := send(t, s, method, p, "{}", func(q *http.Request) {
				if c != nil {
					q.AddCookie(c)
				}
			})
			if a.StatusCode != http.StatusUnauthorized || !strings.Contains(body, `"error"`) {
				t.Errorf("%s with cookie %s: %d %s", r, name, a.StatusCode, body)
			}
		}
	}
	if asked != 0 {
		t.Fatalf("%d requests reached the daemon", asked)
	}
	status, c := unlock(t, s, token)
	if status != http.StatusNoContent || c == nil {
		t.Fatalf("the right token: %d %v", status, c)
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.Name != "qwq-"+port(s) || len(c.Value) < 43 || c.Value == token {
		t.Errorf("cookie %+v", c)
	}
	if status, again := unlock(t, s, token); status != http.StatusUnauthorized || again != nil || u.Token() != "" {
		t.Errorf("the token for a second time: %d %v", status, again)
	}
	if a, _ := send(t, s, http.MethodGet, "/v1/models", "", func(q *http.Request) { q.AddCookie(c) }); a.StatusCode != http.StatusOK || asked != 1 {
		t.Errorf("with the cookie: %d, %d requests", a.StatusCode, asked)
	}
	if a, _ := send(t, s, http.MethodPost, "/session", `{"token":"`+token+`"}`, func(q *http.Request) { q.AddCookie(c) }); a.StatusCode != http.StatusNoContent {
		t.Errorf("a known browser that is loaded with its old address: %d", a.StatusCode)
	}
	if a, _ := send(t, s, http.MethodPost, "/session", strings.Repeat("[", 5000), nil); a.StatusCode != http.StatusBadRequest {
		t.Errorf("a long body: %d", a.StatusCode)
	}
}

func port(s *httptest.Server) string {
	_, p, _ := net.SplitHostPort(s.Listener.Addr().String())
	return p
}

// TestForeign: names that point here and other pages are refused, with the cookie too.
func TestForeign(t *testing.T) {
	asked := 0
	u, s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked++ }, Options{})
	_, c := unlock(t, s, u.Token())
	p := port(s)
	for _, x := range []struct {
		name, method, path string
		header             map[string]string
		host               string
		want               int
	}{
		{"the page itself", "GET", "/", nil, "", 200},
		{"a link in another page", "GET", "/", map[string]string{"Sec-Fetch-Site": "cross-site"}, "", 200},
		{"localhost", "GET", "/", nil, "localhost:" + p, 200},
		{"another port, by ssh", "GET", "/", nil, "127.0.0.1:9", 200},
		{"IPv6", "GET", "/", nil, "[::1]:" + p, 200},
		{"a name that points here", "GET", "/", nil, "evil.example:" + p, 403},
		{"a name that looks so", "GET", "/", nil, "127.0.0.1.evil.example", 403},
		{"localhost's subdomain", "GET", "/", nil, "a.localhost", 403},
		{"another machine", "GET", "/", nil, "192.168.1.5:" + p, 403},
		{"an origin", "GET", "/v1/models", map[string]string{"Origin": "http://evil.example"}, "", 403},
		{"no origin", "POST", "/v1/chat/completions", map[string]string{"Origin": ""}, "", 403},
		{"a null origin", "POST", "/v1/chat/completions", map[string]string{"Origin": "null"}, "", 403},
		{"another port's origin", "POST", "/v1/chat/completions", map[string]string{"Origin": "http://127.0.0.1:9"}, "", 403},
		{"https", "POST", "/v1/chat/completions", map[string]string{"Origin": "https://127.0.0.1:" + p}, "", 403},
		{"a picture's address", "GET", "/v1/models", map[string]string{"Sec-Fetch-Site": "cross-site"}, "", 403},
		{"another port's picture", "GET", "/v1/models", map[string]string{"Sec-Fetch-Site": "same-site"}, "", 403},
		{"typed in", "GET", "/v1/models", map[string]string{"Sec-Fetch-Site": "none"}, "", 403},
		{"an endpoint that the page does not need", "POST", "/v1/completions", nil, "", 404},
		{"another method", "DELETE", "/v1/models", map[string]string{"Origin": "http://127.0.0.1:" + p}, "", 404},
		{"a path to files", "GET", "/../../etc/passwd", nil, "", 404},
		{"metrics", "GET", "/metrics", nil, "", 404},
	} {
		a, body := send(t, s, x.method, x.path, "{}", func(q *http.Request) {
			for k, v := range x.header {
				q.Header.Set(k, v)
				if v == "" {
					q.Header.Del(k)
				}
			}
			q.AddCookie(c)
			if x.host != "" {
				q.Host = x.host
			}
		})
		if a.StatusCode != x.want {
			t.Errorf("%s: %d %.80s, want %d", x.name, a.StatusCode, body, x.want)
		}
		if got := a.Header.Get("Content-Security-Policy"); got != policy {
			t.Errorf("%s: policy %q", x.name, got)
		}
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("Referrer-Policy") != "no-referrer" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", x.name, a.Header)
		}
	}
	if asked != 0 {
		t.Errorf("%d of them reached the daemon", asked)
	}
}

// TestProxy: a stream's pieces come as they are made, the daemon gets its token and none of
// the browser's headers, and what it refuses is not taken for a locked page.
func TestProxy(t *testing.T) {
	next, gone := make(chan bool), make(chan bool, 1)
	u, s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if got := r.Header.Get("Authorization"); got != "Bearer sesame" {
			t.Errorf("Authorization %q", got)
		}
		for name := range r.Header {
			switch name {
			case "Authorization", "Content-Type", "User-Agent", "Content-Length", "Accept-Encoding":
			default:
				t.Errorf("%s: %s reached the daemon", name, r.Header.Get(name))
			}
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			io.WriteString(w, "data: x\n\n")      //nolint:errcheck // the test reads it
			http.NewResponseController(w).Flush() //nolint:errcheck // the test reads it
			select {
			case <-next:
			case <-r.Context().Done():
				gone <- true
				return
			}
		}
	}, Options{Token: "sesame"})
	_, c := unlock(t, s, u.Token())
	if a, _ := send(t, s, http.MethodGet, "/v1/models", "", func(q *http.Request) { q.AddCookie(c) }); a.StatusCode != http.StatusBadGateway || len(a.Cookies) > 0 {
		t.Errorf("a daemon that refuses: %d %v", a.StatusCode, a.Cookies)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/v1/chat/completions", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Origin", s.URL)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Referer", s.URL+"/")
	q.Header.Set("X-Forwarded-For", "1.2.3.4")
	q.AddCookie(c)
	a, err := s.Client().Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	piece := make([]byte, 9)
	for range 2 {
		if _, err := io.ReadFull(a.Body, piece); err != nil || string(piece) != "data: x\n\n" {
			t.Fatalf("%v %q", err, piece)
		}
		next <- true
	}
	cancel() // as Stop does
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Error("the daemon does not learn that the browser has gone")
	}
}

// TestNoDaemon: the page is told in the API's form, with advice.
func TestNoDaemon(t *testing.T) {
	u, s := serve(t, nil, Options{Advice: "do this"})
	u.o.Daemon = failing{}
	u.routes["GET /v1/models"] = u.known(u.proxy())
	_, c := unlock(t, s, u.Token())
	a, body := send(t, s, http.MethodGet, "/v1/models", "", func(q *http.Request) { q.AddCookie(c) })
	var e struct{ Error struct{ Message string } }
	if err := json.Unmarshal([]byte(body), &e); err != nil || a.StatusCode != http.StatusBadGateway || !strings.Contains(e.Error.Message, "no luck. do this") {
		t.Errorf("%d %v %s", a.StatusCode, err, body)
	}
}

type failing struct{}

func (failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no luck") }

// TestFiles: every file is served with its type and kept by its ETag, is small, loads
// nothing from elsewhere and makes no HTML of text.
func TestFiles(t *testing.T) {
	_, s := serve(t, nil, Options{})
	elsewhere := regexp.MustCompile(`https?://[a-zA-Z0-9]|@import|\burl\(`)
	html := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|DOMParser|srcdoc|javascript:|style=|\son[a-z]+=`)
	total := 0
	for name, f := range files {
		total += len(f.body)
		a, body := send(t, s, http.MethodGet, name, "", nil)
		if a.StatusCode != http.StatusOK || body != string(f.body) || !strings.HasSuffix(a.Header.Get("Content-Type"), "; charset=utf-8") {
			t.Errorf("%s: %d %s, %d bytes", name, a.StatusCode, a.Header.Get("Content-Type"), len(body))
		}
		if a, _ := send(t, s, http.MethodGet, name, "", func(q *http.Request) { q.Header.Set("If-None-Match", f.tag) }); a.StatusCode != http.StatusNotModified {
			t.Errorf("%s with its tag: %d", name, a.StatusCode)
		}
		if a, body := send(t, s, http.MethodHead, name, "", nil); a.StatusCode != http.StatusOK || body != "" {
			t.Errorf("HEAD %s: %d %q", name, a.StatusCode, body)
		}
		text := bytes.ReplaceAll(f.body, []byte("http://www.w3.org/2000/svg"), nil)
		if m := elsewhere.Find(text); m != nil {
			t.Errorf("%s has %q", name, m)
		}
		if m := html.Find(text); m != nil {
			t.Errorf("%s has %q", name, m)
		}
		for _, m := range regexp.MustCompile(`(?:from '\.|(?:src|href)=")(/[^'"#]+)`).FindAllSubmatch(f.body, -1) {
			if _, ok := files[path.Clean(string(m[1]))]; !ok {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
	if total > 100<<10 {
		t.Errorf("the page has %d bytes", total)
	}
}
