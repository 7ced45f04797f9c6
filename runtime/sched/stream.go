package sched

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/runtime/engine"
)

// Stream is the answer to one request. Its tokens wait for the reader, who may be
// slow: they are few and small.
type Stream struct {
	s        *Scheduler
	ctx      context.Context
	seq      *engine.Seq
	user     uint32
	priority int
	most     int // tokens to generate; 0: to the end of the context
	logprobs bool
	session  string
	warm     bool    // nobody reads it
	prompt   []int32 // ids
	worth    int     // tokens of the prompt that go to disk
	came     time.Time
	unhook   func() bool

	// Of the loop, under s.mu. seq itself is the running step's.
	quantum int // tokens since it last got its place
	count   int // tokens
	first   time.Time
	last    time.Time
	read    int // tokens in its KV cache when it was last looked at

	mu     sync.Mutex
	tokens []engine.Token // not read yet
	err    error          // io.EOF: ended well
	news   chan struct{}
}

// Next is the next token. After the last one, which has Finish set, it is io.EOF. One
// goroutine may read.
func (st *Stream) Next() (engine.Token, error) {
	for {
		st.mu.Lock()
		if len(st.tokens) > 0 {
			t := st.tokens[0]
			st.tokens = st.tokens[1:]
			st.mu.Unlock()
			return t, nil
		}
		err := st.err
		st.mu.Unlock()
		if err != nil {
			return engine.Token{ID: -1}, err
		}
		<-st.news
	}
}

// Tokens are the tokens one by one; an error ends them.
func (st *Stream) Tokens() iter.Seq2[engine.Token, error] {
	return func(yield func(engine.Token, error) bool) {
		for {
			t, err := st.Next()
			if errors.Is(err, io.EOF) || !yield(t, err) || err != nil {
				return
			}
		}
	}
}

// Prompt is the number of tokens of the prompt.
func (st *Stream) Prompt() int { return st.seq.Prompt() }

// give hands tokens to the reader.
func (st *Stream) give(tokens []engine.Token) {
	st.mu.Lock()
	for _, t := range tokens {
		if st.logprobs {
			t.Top = slices.Clone(t.Top)
		}
		st.tokens = append(st.tokens, t)
	}
	st.mu.Unlock()
	st.tell()
}

// end tells the reader that nothing follows.
func (st *Stream) end(err error) {
	st.mu.Lock()
	st.err = err
	st.mu.Unlock()
	st.tell()
}

func (st *Stream) tell() {
	select {
	case st.news <- struct{}{}:
	default:
	}
}
