package server

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/qwq-edge/qwq/runtime/api"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sample"
	"github.com/qwq-edge/qwq/runtime/sched"
)

// Bounds of what one request may ask for.
const (
	mostAnswers = 16
	mostStops   = 16
	mostStop    = 1024 // bytes of one
)

// generation checks the settings that all ways to generate share. What is absent is
// what the model's file recommends, else temperature 0.8, top-k 40, top-p 0.95, min-p
// 0.05.
func (l *Loaded) generation(t *Task, g *api.Generation) error {
	d := l.Model.Info().Defaults
	o := sample.Options{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}
	set := func(dst *float64, from ...*float64) {
		for _, f := range from {
			if f != nil {
				*dst = *f
				return
			}
		}
	}
	set(&o.Temperature, g.Temperature, d.Temperature)
	set(&o.TopP, g.TopP, d.TopP)
	set(&o.MinP, g.MinP, d.MinP)
	set(&o.RepeatPenalty, g.RepeatPenalty, d.RepeatPenalty)
	if k := g.TopK; k != nil || d.TopK != nil {
		if k == nil {
			k = d.TopK
		}
		o.TopK = *k
	}
	set(&o.Frequency, g.FrequencyPenalty)
	set(&o.Presence, g.PresencePenalty)
	if !(math.Abs(o.Frequency) <= 2) {
		return bad("frequency_penalty", "frequency_penalty %v is not in -2 to 2", o.Frequency)
	}
	if !(math.Abs(o.Presence) <= 2) {
		return bad("presence_penalty", "presence_penalty %v is not in -2 to 2", o.Presence)
	}
	if g.Temperature != nil && (*g.Temperature < 0 || *g.Temperature > 2) {
		return bad("temperature", "temperature %v is not in 0 to 2", *g.Temperature)
	}
	if err := o.Check(); err != nil {
		return bad("", "%v", err)
	}
	o.Seed = rand.Uint64()
	if g.Seed != nil {
		o.Seed = uint64(*g.Seed)
	}
	for id, v := range g.LogitBias {
		n, err := strconv.ParseInt(id, 10, 32)
		if err != nil || n < 0 || int(n) >= l.Model.Vocabulary() {
			return bad("logit_bias", "logit_bias names %q, which is no token id below %d", id, l.Model.Vocabulary())
		}
		if !(v >= -100 && v <= 100) {
			return bad("logit_bias", "logit_bias of %s is %v, not in -100 to 100", id, v)
		}
		if o.LogitBias == nil {
			o.LogitBias = map[int32]float32{}
		}
		if o.LogitBias[int32(n)] = v; v == -100 { // as good as forbidden, OpenAI says
			o.LogitBias[int32(n)] = float32(math.Inf(-1))
		}
	}
	t.Sampling = o
	if len(g.Stop) > mostStops {
		return bad("stop", "%d stop texts, at most %d", len(g.Stop), mostStops)
	}
	for _, s := range g.Stop {
		if len(s) > mostStop {
			return bad("stop", "a stop text of %d bytes, at most %d", len(s), mostStop)
		}
	}
	t.Stop, t.N = g.Stop, 1
	if g.N != nil {
		if t.N = *g.N; t.N < 1 || t.N > mostAnswers {
			return bad("n", "n is %d, not in 1 to %d", t.N, mostAnswers)
		}
	}
	return maxTokens(t, "max_tokens", g.MaxTokens)
}

// maxTokens sets the most tokens of an answer.
func maxTokens(t *Task, param string, n *int) error {
	if n == nil {
		return nil
	}
	if *n < 1 {
		return bad(param, "%s is %d, it must be at least 1", param, *n)
	}
	t.MaxTokens = *n
	return nil
}

// anyObject is the schema of json_object.
const anyObject = `{"type":"object"}`

// restrict compiles a response format or a grammar. Errors name the place in it.
func (l *Loaded) restrict(t *Task, f *api.ResponseFormat, gbnf string) (err error) {
	var schema json.RawMessage
	switch {
	case gbnf == "" && (f == nil || f.Type == "text"):
		return nil
	case t.Calls != nil && t.Calls.choice.mode == choiceRequired:
		return bad("tool_choice", "a required call and a format of the answer exclude each other")
	case gbnf != "" && f != nil && f.Type != "text":
		return bad("grammar", "grammar and response_format exclude each other")
	case gbnf != "":
		if l.Vocabulary == nil {
			return bad("grammar", "the model file has no tokenizer: its text cannot be restricted")
		}
		if t.Grammar, err = allGrammars.gbnf(gbnf); err != nil {
			return badGrammar("grammar", err)
		}
		t.Calls = nil
		return nil
	case f.Type == "json_object":
		schema = json.RawMessage(anyObject)
	case f.Type == "json_schema":
		if f.JSONSchema == nil || len(f.JSONSchema.Schema) == 0 {
			return bad("response_format", "response_format.json_schema.schema is missing")
		}
		schema = f.JSONSchema.Schema
	default:
		return bad("response_format", "response_format.type %q is not text, json_object or json_schema", f.Type)
	}
	return l.schema(t, schema, "response_format")
}

// schema restricts a task to the values of a JSON schema.
func (l *Loaded) schema(t *Task, schema json.RawMessage, param string) (err error) {
	if l.Vocabulary == nil {
		return bad(param, "the model file has no tokenizer: its text cannot be restricted")
	}
	if t.Grammar, err = allGrammars.schema(schema, grammar.SchemaOptions{}); err != nil {
		return badGrammar(param, err)
	}
	t.Calls = nil // the answer is the value
	return nil
}

// badGrammar is the fault of the request, unless too many are compiled.
func badGrammar(param string, err error) error {
	if busy := (*sched.BusyError)(nil); errors.As(err, &busy) {
		return busy
	}
	return bad(param, "%v", err)
}
