package server

import (
	"net/http"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
)

// listed has the fields of OpenAI's and Anthropic's form, which do not collide.
func listed(l Listed) api.Model {
	return api.Model{ID: l.Name, Object: "model", Created: l.Time.Unix(), OwnedBy: "local",
		Type: "model", DisplayName: l.Name, CreatedAt: l.Time.UTC().Truncate(time.Second)}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) error {
	list := api.ModelList{Object: "list", Data: []api.Model{}}
	for _, l := range s.hub.List() {
		list.Data = append(list.Data, listed(l))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
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
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &api.Usage{PromptTokens: u.Prompt, CompletionTokens: u.Generated, TotalTokens: u.Prompt + u.Generated, PromptDetails: &api.PromptDetails{CachedTokens: u.Cached},
		Timings: &api.Timings{PromptMS: ms(u.Timings.Prompt), GenerateMS: ms(u.Timings.Generate), Drafted: u.Timings.Drafted, Accepted: u.Timings.Accepted}}
}
