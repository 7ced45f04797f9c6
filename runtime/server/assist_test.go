package server

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

// TestDraftModel: answers with a draft model are those without, its guesses are counted, and
// one of another vocabulary is left out with a warning.
func TestDraftModel(t *testing.T) {
	other := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Tokenizer: true, Context: 128})
	var log bytes.Buffer
	serve := func(draft *Listed, counts *Metrics) *httptest.Server {
		h := NewHub(HubOptions{
			List: func() []Listed { return []Listed{{Name: "demo", Time: time.Unix(1, 0)}} },
			Open: func(l Listed) (*gguf.File, error) {
				if l.Name == "other" {
					return gguf.Open(other)
				}
				return gguf.Parse(demo.Model())
			},
			Engine: engine.Options{Threads: 2, Context: 256}, Draft: draft, Events: counts.Model, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		s := httptest.NewServer(New(h, Options{}).Handler())
		t.Cleanup(func() {
			s.Close()
			if err := h.Drain(t.Context()); err != nil && t.Context().Err() == nil {
				t.Error(err)
			}
		})
		return s
	}
	counts := NewMetrics()
	plain, drafted, wrong := serve(nil, NewMetrics()), serve(&Listed{Name: "twin", Path: "twin"}, counts), serve(&Listed{Name: "other", Path: other}, NewMetrics())
	for _, body := range []string{
		`{"prompt":"Once upon a time","max_tokens":60,"seed":4}`,
		`{"prompt":"The dog","max_tokens":60,"temperature":0}`,
		`{"prompt":["A cat","A bird"],"max_tokens":30,"seed":9,"n":3}`,
	} {
		var texts []string
		for _, s := range []*httptest.Server{plain, drafted, wrong} {
			status, answer := post(t, s, "/v1/completions", body)
			_, choices, ok := strings.Cut(answer, `"choices":`)
			choices, _, ok2 := strings.Cut(choices, `"usage"`)
			if status != 200 || !ok || !ok2 {
				t.Fatalf("%d %s", status, answer)
			}
			texts = append(texts, choices)
		}
		if texts[0] != texts[1] || texts[0] != texts[2] {
			t.Errorf("%s:\nplain   %s\ndrafted %s\nwrong   %s", body, texts[0], texts[1], texts[2])
		}
	}
	e := &exposition{}
	counts.write(e)
	got := parseMetrics(t, string(e.b))
	n, ok := got[`qwqd_drafted_tokens_total{model="demo"}`], got[`qwqd_accepted_tokens_total{model="demo"}`]
	if n == 0 || ok != n {
		t.Errorf("%v of %v guesses of the same model were right", ok, n)
	}
	if !strings.Contains(log.String(), "goes without draft model") || !strings.Contains(log.String(), "draft=other") {
		t.Errorf("log: %s", log.String())
	}
}
