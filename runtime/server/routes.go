package server

import (
	"net/http"
	"strings"
)

// route is one endpoint.
type route struct {
	method, path string
	handle       func(http.ResponseWriter, *http.Request) error
}

// table is every endpoint of the APIs; openapi.yaml describes them.
func (s *Server) table() []route {
	return []route{
		{"POST", "/v1/chat/completions", s.chatCompletions},
		{"POST", "/v1/completions", s.completions},
		{"POST", "/v1/embeddings", s.embeddings},
		{"POST", "/v1/responses", s.responses},
		{"GET", "/v1/models", s.models},
		{"GET", "/v1/models/{name...}", s.model},

		{"POST", "/v1/messages", s.messages},
		{"POST", "/v1/messages/count_tokens", s.countTokens},

		{"POST", "/api/generate", s.ollamaGenerate},
		{"POST", "/api/chat", s.ollamaChat},
		{"POST", "/api/embed", s.ollamaEmbed},
		{"POST", "/api/embeddings", s.ollamaEmbeddings},
		{"GET", "/api/tags", s.ollamaTags},
		{"POST", "/api/show", s.ollamaShow},
		{"GET", "/api/ps", s.ollamaPS},
		{"GET", "/api/version", s.ollamaVersion},

		{"GET", "/qwq/v1/status", s.status},
		{"GET", "/qwq/v1/sessions", s.sessions},
		{"GET", "/qwq/v1/sessions/{name}", s.oneSession},
		{"GET", "/qwq/v1/sessions/{name}/state", s.sessionState},
		{"DELETE", "/qwq/v1/sessions/{name}", s.deleteSession},
	}
}

// routes adds the table to the mux, and refusals of all else below its folders.
func (s *Server) routes() {
	for _, r := range s.table() {
		s.mux.HandleFunc(r.method+" "+r.path, endpoint(r.handle))
	}
	for _, folder := range []string{"/v1/", "/api/", "/qwq/"} {
		s.mux.HandleFunc(folder, endpoint(s.unknown))
	}
}

// unknown refuses what is not in the table: with 405 where another method is.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) error {
	e := bad("", "%s %.200s is not served here", r.Method, r.URL.Path)
	e.Status = http.StatusNotFound
	var allow []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if _, pattern := s.mux.Handler(&http.Request{Method: m, URL: r.URL, Host: r.Host}); strings.Contains(pattern, " ") {
			allow = append(allow, m)
		}
	}
	if len(allow) > 0 {
		e.Status = http.StatusMethodNotAllowed
		w.Header().Set("Allow", strings.Join(allow, ", "))
		e.Message = r.Method + " is not possible here, only " + strings.Join(allow, ", ")
	}
	return e
}
