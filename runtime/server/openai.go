package server

import (
	"net/http"

	"github.com/qwq-edge/qwq/runtime/api"
)

// openAI adds OpenAI's endpoints.
func (s *Server) openAI() {
	s.mux.HandleFunc("POST /v1/chat/completions", endpoint(s.chatCompletions))
	s.mux.HandleFunc("POST /v1/completions", endpoint(s.completions))
	s.mux.HandleFunc("GET /v1/models", endpoint(s.models))
	s.mux.HandleFunc("GET /v1/models/{name...}", endpoint(s.model))
	s.mux.HandleFunc("/v1/", endpoint(func(_ http.ResponseWriter, r *http.Request) error {
		e := bad("", "%s %s is not served here", r.Method, r.URL.Path)
		e.Status = http.StatusNotFound
		return e
	}))
}

func listed(l Listed) api.Model {
	return api.Model{ID: l.Name, Object: "model", Created: l.Time.Unix(), OwnedBy: "local"}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	list := api.ModelList{Object: "list", Data: []api.Model{}}
	for _, l := range s.hub.List() {
		list.Data = append(list.Data, listed(l))
	}
	reply(w, http.StatusOK, list)
	return nil
}

func (s *Server) model(w http.ResponseWriter, r *http.Request) error {
	l, err := s.hub.find(r.PathValue("name"))
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, listed(l))
	return nil
}

// usage counts in OpenAI's form.
func usage(u Usage) *api.Usage {
	return &api.Usage{PromptTokens: u.Prompt, CompletionTokens: u.Generated, TotalTokens: u.Prompt + u.Generated, PromptDetails: &api.PromptDetails{CachedTokens: u.Cached}}
}
