package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
)

// ollamaTags serves GET /api/tags: the models that can be asked.
func (s *Server) ollamaTags(w http.ResponseWriter, _ *http.Request) error {
	out := api.OllamaModels{Models: []api.OllamaModel{}}
	for _, l := range s.hub.List() {
		m := ollamaModel(l)
		for _, have := range s.hub.Loaded() {
			if have.Name == l.Name {
				m.Details = have.details()
			}
		}
		out.Models = append(out.Models, m)
	}
	reply(w, http.StatusOK, out)
	return nil
}

func ollamaModel(l Listed) api.OllamaModel {
	return api.OllamaModel{Name: l.Name, Model: l.Name, ModifiedAt: l.Time.UTC(), Size: l.Size, Details: api.OllamaDetails{Format: "gguf"}}
}

func (l *Loaded) details() api.OllamaDetails {
	i := l.Model.Info()
	return api.OllamaDetails{Format: "gguf", Family: i.Architecture, Families: []string{i.Architecture}, ParameterSize: size(i.Parameters), QuantizationLevel: l.Quant}
}

// size is a number of parameters as people write it.
func size(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1fB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0fK", float64(n)/1e3)
}

// ollamaPS serves GET /api/ps: the models that are loaded.
func (s *Server) ollamaPS(w http.ResponseWriter, _ *http.Request) error {
	out := api.OllamaModels{Models: []api.OllamaModel{}}
	for _, l := range s.hub.Loaded() {
		m := ollamaModel(l.Listed)
		m.Details = l.details()
		at := s.hub.expires(l)
		m.ExpiresAt = &at
		m.ContextLength = l.Model.Context()
		out.Models = append(out.Models, m)
	}
	reply(w, http.StatusOK, out)
	return nil
}

// expires is when an idle model goes; far away where it never does.
func (h *Hub) expires(l *Loaded) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.o.Idle == 0:
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	case l.users > 0:
		return time.Now().Add(h.o.Idle).UTC()
	}
	return l.used.Add(h.o.Idle).UTC()
}

// ollamaShow serves POST /api/show: what a model is.
func (s *Server) ollamaShow(w http.ResponseWriter, r *http.Request) error {
	var q api.OllamaShowRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	if q.Model == "" {
		q.Model = q.Name
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	i := l.Model.Info()
	out := api.OllamaShow{Details: l.details(), ModifiedAt: l.Time.UTC(), Capabilities: []string{"completion"}, ModelInfo: map[string]any{
		"general.architecture":               i.Architecture,
		"general.parameter_count":            i.Parameters,
		i.Architecture + ".context_length":   i.Trained,
		i.Architecture + ".embedding_length": i.Hidden,
		i.Architecture + ".block_count":      i.Layers,
	}}
	if i.Encoder {
		out.Capabilities[0] = "embedding"
	}
	if i.Image > 0 {
		out.Capabilities = append(out.Capabilities, "vision")
	}
	if i.Name != "" {
		out.ModelInfo["general.basename"] = i.Name
	}
	if t := l.Model.Tokenizer(); t != nil {
		out.Template = t.ChatTemplate()
	}
	if l.Template != nil {
		if caps := l.Template.Caps(); caps.Tools {
			out.Capabilities = append(out.Capabilities, "tools")
		}
		if strings.Contains(out.Template, thinkOpen) || strings.Contains(out.Template, thinkClose) {
			out.Capabilities = append(out.Capabilities, "thinking")
		}
	}
	reply(w, http.StatusOK, out)
	return nil
}

// ollamaVersion serves GET /api/version.
func (s *Server) ollamaVersion(w http.ResponseWriter, _ *http.Request) error {
	reply(w, http.StatusOK, api.OllamaVersion{Version: s.o.Version})
	return nil
}
