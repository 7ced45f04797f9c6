package server

import (
	"errors"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/engine"
)

// assist is a small model that guesses for a loaded one.
type assist struct {
	*engine.Assistant
	model *engine.Model
	file  *gguf.File
}

func (a *assist) close() {
	a.Assistant.Close()
	a.model.Close()
	a.file.Close()
}

// help loads the draft model for l. Without one, with one of another vocabulary say, l
// works too: the log says why.
func (l *Loaded) help(o HubOptions) {
	if o.Draft == nil || o.Draft.Path == l.Path || l.Model.Info().Encoder {
		return
	}
	a, err := newAssist(l.Model, o)
	switch {
	case err == nil:
		l.assist = a
	case o.Log != nil:
		o.Log.Warn("a model goes without draft model", "model", l.Name, "draft", o.Draft.Name, "error", err.Error())
	}
}

func newAssist(large *engine.Model, o HubOptions) (a *assist, err error) {
	a = &assist{}
	if a.file, err = o.Open(*o.Draft); err != nil {
		return nil, err
	}
	if a.model, err = engine.New(a.file, o.Engine); err != nil {
		return nil, errors.Join(err, a.file.Close())
	}
	if a.Assistant, err = engine.NewAssistant(large, a.model); err != nil {
		return nil, errors.Join(err, a.model.Close(), a.file.Close())
	}
	return a, nil
}

// drafter guesses for one answer.
func (l *Loaded) drafter() engine.Drafter {
	if l.assist != nil {
		return l.assist.Drafter()
	}
	return &engine.Lookup{}
}

// room is how much KV cache may be taken: that of the draft model grows along.
func (l *Loaded) room(room func(bytes int64) error) func(int64) error {
	if room == nil || l.assist == nil {
		return room
	}
	share := 1 + float64(l.assist.model.Info().KVBytes)/float64(max(1, l.Model.Info().KVBytes))
	return func(bytes int64) error { return room(int64(float64(bytes) * share)) }
}
