package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// completions serves POST /v1/completions: prompts are continued as they are.
func (s *Server) completions(w http.ResponseWriter, r *http.Request) error {
	var q api.CompletionRequest
	if err := decode(w, r, &q); err != nil {
		return err
	}
	l, done, err := s.hub.Use(r.Context(), q.Model)
	if err != nil {
		return err
	}
	defer done()
	tasks, err := l.completionTasks(&q)
	if err != nil {
		return err
	}
	head := api.Completion{ID: newID("cmpl-"), Object: "text_completion", Created: time.Now().Unix(), Model: l.Name}
	var e *events
	var total Usage
	base := 0
	for _, t := range tasks {
		t.User = userOf(r.Context())
		texts := make([]completed, t.N)
		if q.Echo {
			for i := range texts {
				texts[i].text.WriteString(t.Prompt)
			}
		}
		u, err := l.Run(r.Context(), t, func(p Piece) error {
			c := &texts[p.Index]
			c.add(l, p, q.Logprobs != nil)
			if q.ReturnTokenIDs {
				c.note(p)
			}
			if !q.Stream || c.text.Len() == c.sent && p.Finish == "" && q.Logprobs == nil {
				return nil
			}
			if e == nil {
				e = newEvents(w)
			}
			head.Choices = []api.CompletionChoice{c.piece(base + p.Index)}
			return e.send("", head)
		})
		if err != nil {
			if e != nil {
				e.send("", api.ErrorBody{Error: *failure(err)}) //nolint:errcheck // the client may have gone
			}
			return err
		}
		total.Prompt += u.Prompt
		total.Cached += u.Cached
		total.Timings.Prompt += u.Timings.Prompt
		total.Timings.Generate += u.Timings.Generate
		total.Timings.Drafted += u.Timings.Drafted
		total.Timings.Accepted += u.Timings.Accepted
		total.Generated += u.Generated
		if !q.Stream {
			for i := range texts {
				texts[i].sent = 0
				head.Choices = append(head.Choices, texts[i].piece(base+i))
			}
		}
		base += t.N
	}
	if !q.Stream {
		head.Usage = usage(total)
		reply(w, http.StatusOK, head)
		return nil
	}
	if q.StreamOptions != nil && q.StreamOptions.IncludeUsage {
		head.Choices, head.Usage = []api.CompletionChoice{}, usage(total)
		if err := e.send("", head); err != nil {
			return err
		}
	}
	return e.send("", "[DONE]")
}

// mostPrompts bounds the prompts of one request.
const mostPrompts = 64

// completionTasks checks a request and makes a task of each prompt.
func (l *Loaded) completionTasks(q *api.CompletionRequest) ([]*Task, error) {
	base := Task{Think: -1, MaxTokens: 16, IgnoreEOS: q.IgnoreEOS} // OpenAI's default
	if err := l.generation(&base, &q.Generation); err != nil {
		return nil, err
	}
	if n := q.Logprobs; n != nil {
		if *n < 0 || *n > 5 {
			return nil, bad("logprobs", "logprobs is %d, not in 0 to 5", *n)
		}
		if base.Sampling.Logprobs = *n; *n == 0 {
			base.Sampling.Logprobs = -1
		}
	}
	if err := l.restrict(&base, q.ResponseFormat, q.Grammar); err != nil {
		return nil, err
	}
	if n := len(q.Prompt.Texts) + len(q.Prompt.IDs); n == 0 || n > mostPrompts {
		return nil, bad("prompt", "%d prompts, want 1 to %d", n, mostPrompts)
	}
	var tasks []*Task
	for _, text := range q.Prompt.Texts {
		t := base
		t.Prompt = text
		if q.Suffix != "" {
			if err := l.fillInTheMiddle(&t, text, q.Suffix); err != nil {
				return nil, err
			}
		}
		tasks = append(tasks, &t)
	}
	for i, ids := range q.Prompt.IDs {
		if q.Suffix != "" {
			return nil, bad("suffix", "suffix needs a prompt of text")
		}
		if len(ids) == 0 {
			return nil, bad("prompt", "prompt[%d] is empty", i)
		}
		for k, id := range ids {
			if id < 0 || int(id) >= l.Model.Vocabulary() {
				return nil, bad("prompt", "prompt[%d][%d] is %d, no token id below %d", i, k, id, l.Model.Vocabulary())
			}
		}
		t := base
		t.IDs = ids
		if tok := l.Model.Tokenizer(); tok != nil {
			t.Prompt = tok.Decode(ids, false)
		}
		tasks = append(tasks, &t)
	}
	return tasks, nil
}

// fim are the spellings of the tokens of fill in the middle: before, after, and where
// the middle begins (Qwen2.5-Coder, CodeLlama, StarCoder2, DeepSeek-Coder).
var fim = [][3]string{
	{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
	{"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
	{"<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"},
	{"▁<PRE>", "▁<SUF>", "▁<MID>"},
}

// fillInTheMiddle makes the prompt that asks for what stands between two texts.
func (l *Loaded) fillInTheMiddle(t *Task, prefix, suffix string) error {
	tok := l.Model.Tokenizer()
	if tok == nil {
		return bad("suffix", "the model file has no tokenizer")
	}
	if len(prefix)+len(suffix) > l.most {
		return l.tooLong(prefix + suffix)
	}
	if t.IDs = fimPrompt(tok, prefix, suffix); t.IDs == nil {
		return bad("suffix", "the model has no tokens for fill in the middle")
	}
	return nil
}

// fimPrompt is the prompt in the order prefix, suffix, middle; nil when the vocabulary
// has no tokens for it. Spellings of these and of special tokens in the texts are plain
// text.
func fimPrompt(tok *tokenizer.Tokenizer, prefix, suffix string) []int32 {
	for _, names := range fim {
		var id [3]int32
		ok := true
		for i, name := range names {
			var have bool
			id[i], have = tok.ID(name)
			ok = ok && have
		}
		if !ok {
			continue
		}
		var ids []int32
		if bos := tok.BOS(); bos >= 0 && tok.AddBOS() {
			ids = append(ids, bos)
		}
		ids = appendPlain(tok, append(ids, id[0]), prefix, names[:])
		ids = appendPlain(tok, append(ids, id[1]), suffix, names[:])
		return append(ids, id[2])
	}
	return nil
}

// appendPlain appends the ids of a text in which no token has one of the names: Qwen's
// vocabulary does not call them special, so that they are found in any text. The text is
// cut inside of them.
func appendPlain(tok *tokenizer.Tokenizer, ids []int32, text string, names []string) []int32 {
	plain := tokenizer.EncodeOptions{NoParseSpecial: true}
	for {
		cut := -1
		for _, name := range names {
			if i := strings.Index(text, name); i >= 0 && (cut < 0 || i < cut) {
				cut = i
			}
		}
		if cut < 0 {
			return tok.Append(ids, text, plain)
		}
		ids, text = tok.Append(ids, text[:cut+1], plain), text[cut+1:]
	}
}

// completed is one text on its way.
type completed struct {
	text     strings.Builder
	sent     int
	logprobs *api.CompletionLogprobs
	finish   string
	prompt   []int32 // not sent yet
	ids      []int32 // not sent yet
	begun    bool    // the prompt's ids were noted
}

// note keeps the ids of the prompt and of a piece.
func (c *completed) note(p Piece) {
	if !c.begun {
		c.begun, c.prompt = true, p.IDs
	}
	if p.Token.ID != noToken {
		c.ids = append(c.ids, p.Token.ID)
	}
}

func (c *completed) add(l *Loaded, p Piece, logprobs bool) {
	if logprobs {
		if c.logprobs == nil {
			c.logprobs = &api.CompletionLogprobs{}
		}
		tok := l.logprob(p.Token)
		top := map[string]float32{}
		for _, t := range tok.Top {
			top[t.Token] = t.Logprob
		}
		lp := c.logprobs
		lp.Tokens = append(lp.Tokens, tok.Token)
		lp.TokenLogprobs = append(lp.TokenLogprobs, tok.Logprob)
		lp.TopLogprobs = append(lp.TopLogprobs, top)
		lp.TextOffset = append(lp.TextOffset, c.text.Len())
	}
	for _, d := range p.Deltas {
		c.text.WriteString(d.Text)
	}
	c.finish = p.Finish
}

// piece is what was not sent yet.
func (c *completed) piece(i int) api.CompletionChoice {
	out := api.CompletionChoice{Index: i, Text: c.text.String()[c.sent:], Logprobs: c.logprobs, PromptTokenIDs: c.prompt, TokenIDs: c.ids}
	c.sent, c.logprobs, c.prompt, c.ids = c.text.Len(), nil, nil, nil
	if c.finish != "" {
		out.FinishReason = &c.finish
	}
	return out
}
