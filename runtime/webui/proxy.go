package webui

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
)

// mostBody bounds a request's body as the daemon does.
const mostBody = 8 << 20

// proxy hands a request to the daemon. What the browser adds of its own stays here, the
// cookie first of all.
func (u *UI) proxy() http.Handler {
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u.o.Base)
			r.Out.Host = u.o.Base.Host
			r.Out.Header = http.Header{}
			for _, name := range []string{"Content-Type", "Accept"} {
				if v := r.In.Header.Get(name); v != "" {
					r.Out.Header.Set(name, v)
				}
			}
			r.Out.Header.Set("User-Agent", "qwq-ui")
			if u.o.Token != "" {
				r.Out.Header.Set("Authorization", "Bearer "+u.o.Token)
			}
		},
		ModifyResponse: func(a *http.Response) error {
			a.Header.Del("Set-Cookie")
			if a.StatusCode == http.StatusUnauthorized || a.StatusCode == http.StatusForbidden {
				// The page's own refusals mean a browser that is not known; this is another matter.
				a.StatusCode = http.StatusBadGateway
			}
			return nil
		},
		Transport:     u.o.Daemon,
		FlushInterval: -1, // each piece of a stream at once
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if errors.Is(err, context.Canceled) {
				return // the browser has gone
			}
			message := "The daemon does not answer: " + err.Error()
			if u.o.Advice != "" {
				message += ". " + u.o.Advice
			}
			refuse(w, http.StatusBadGateway, "server_error", message)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		p.ServeHTTP(w, r)
	})
}
