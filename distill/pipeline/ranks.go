package pipeline

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/quant"
)

// Ranks are the processes of a run that many share. Rank 0 does every stage; the
// others sleep until it trains, and then do their leaves of each step.
type Ranks interface {
	train.Exchanger
	// Wait returns when a rank exchanges with this one, or will not any more. It
	// takes no processor time worth the name, for hours.
	Wait(rank int) error
}

// RankError is an error in the middle of a training: the other processes wait for
// this one, and the caller must end them. After any other error they end by
// themselves.
type RankError struct{ Err error }

// Error is the error itself.
func (e *RankError) Error() string { return e.Err.Error() }

// Unwrap is the error itself.
func (e *RankError) Unwrap() error { return e.Err }

// training is one student's: all that rank 0 tells the others of it.
type training struct {
	Name, Start string // of files here: the student and what it starts from
	Spec        loss.Spec
	Train       recipe.Train
	Types       map[string]quant.Type // of the tensors of the quantized file that it is for; nil: none
	Hidden      *hidden               // a loss between states; nil: none
	From        lesson                // what it reads; the zero value is the recipe's data
}

// lesson is rows and what the teacher says about them: files here.
type lesson struct{ Rows, Cache string }

func (l lesson) rows() string {
	if l.Rows == "" {
		return rowsFile
	}
	return l.Rows
}

func (l lesson) cache() string {
	if l.Cache == "" {
		return cacheFile
	}
	return l.Cache
}

// call is what rank 0 sends before a training. The records are those it has, so
// that nobody reads old ones of a file system that keeps them for a while.
type call struct {
	Training training
	Done     map[string]*record
}

// maxCall bounds what is received.
const maxCall = 1 << 26

func (p *Pipeline) leads() bool { return p.o.Ranks == nil || p.o.Ranks.Rank() == 0 }

// begin tells the other processes to train, or, with nil, to end.
func (p *Pipeline) begin(t *training) error {
	if p.o.Ranks == nil {
		return nil
	}
	var text []byte
	if t != nil {
		var err error
		if text, err = json.Marshal(call{*t, p.done}); err != nil {
			return err
		}
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	for r := 1; r < p.o.Ranks.Size(); r++ {
		if err := errors.Join(p.o.Ranks.Exchange(r, length, nil), p.o.Ranks.Exchange(r, text, nil)); err != nil {
			return &RankError{err}
		}
	}
	return nil
}

// next is rank 0's next call; nil: there is none.
func (p *Pipeline) next() (*call, error) {
	if err := p.o.Ranks.Wait(0); err != nil {
		return nil, err
	}
	var length [8]byte
	if err := p.o.Ranks.Exchange(0, nil, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxCall {
		return nil, fmt.Errorf("rank 0 announces %d bytes: the processes are not of one run", n)
	}
	text := make([]byte, n)
	if err := p.o.Ranks.Exchange(0, nil, text); err != nil || n == 0 {
		return nil, err
	}
	c := new(call)
	return c, json.Unmarshal(text, c)
}

// follow does this process's part of rank 0's trainings.
func (p *Pipeline) follow(fit func(training) error) error {
	known := map[string]string{}
	for {
		c, err := p.next()
		if err != nil {
			return &RankError{err}
		}
		if c == nil {
			return nil
		}
		p.done = c.Done
		if err := p.sees(known); err != nil {
			return &RankError{err}
		}
		if err := fit(c.Training); err != nil {
			return &RankError{fmt.Errorf("%s: %w", c.Training.Name, err)}
		}
	}
}

// sees checks that the files of the stages are those that rank 0 has; known are
// those that were.
func (p *Pipeline) sees(known map[string]string) error {
	for stage, r := range p.done {
		if r == nil {
			return fmt.Errorf("rank 0 has no record of %s", stage)
		}
		for name, want := range r.Files {
			if known[name] == want {
				continue
			}
			if !filepath.IsLocal(name) {
				return fmt.Errorf("rank 0's record of %s has a file %q", stage, name)
			}
			have, err := hashPath(p.path(name))
			if err == nil && have != want {
				err = fmt.Errorf("its SHA-256 is %s, rank 0's %s", have, want)
			}
			if err != nil {
				return fmt.Errorf("%s is not as rank 0 sees it: %w (all processes must share the folder)", p.path(name), err)
			}
		}
		maps.Copy(known, r.Files)
	}
	return nil
}

// exchanger is the processes for a Trainer, nil where there is one.
func (p *Pipeline) exchanger() train.Exchanger {
	if p.o.Ranks == nil {
		return nil
	}
	return p.o.Ranks
}
