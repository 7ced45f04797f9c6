package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/distill/train"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/shard"
)

// Options are of one run; the zero value does everything that is not done.
type Options struct {
	Only string // this stage alone, done or not; those before it must be done
	From string // this stage is done anew, and all after it that it changes
	// Shard is this process's parts of the cache, for Parts.
	Shard shard.Selection
	// AllowRungChange resumes training that another kernel rung began.
	AllowRungChange bool
	// Ranks are the other processes, which train together; nil: there are none.
	// Every process has the same recipe in the same folder, and only rank 0 calls
	// the functions below.
	Ranks          Ranks
	ShardOptimizer bool // each rank holds Adam's moments of its share alone
	Threads        int  // of this process in training, where the recipe does not say; 0: one per CPU

	Stage    func(name string, e Event, seconds float64)      // a stage began or ended; may be nil
	Progress func(done, total int64, unit, what string)       // of a stage; may be nil
	Step     func(student string, steps int, m train.Metrics) // of training; may be nil
	Note     func(text string)                                // something the user should know; may be nil
}

// Event is what happened to a stage.
type Event string

// The events.
const (
	Began   Event = "began"
	Done    Event = "done"
	Skipped Event = "unchanged"
)

// Pipeline is a recipe in its folder. One goroutine may use it.
type Pipeline struct {
	r    *recipe.Recipe
	o    Options
	base string // folder that the recipe's paths are relative to
	dir  string // of the results
	done map[string]*record
	host func() cpu.Memory // of this machine
}

// stage is one step of the pipeline.
type stage struct {
	name  string
	after []string // stages whose files it reads
	// inputs is what else decides the files, for the key.
	inputs func(p *Pipeline) (any, error)
	// run returns the files it made, in the recipe's folder, and a result.
	run func(p *Pipeline, ctx context.Context) (files []string, result any, err error)
}

// stages in their order.
func stages() []stage {
	return []stage{
		{"plan", nil, (*Pipeline).planInputs, (*Pipeline).plan},
		{"data", []string{"plan"}, (*Pipeline).dataInputs, (*Pipeline).data},
		{"cache", []string{"plan", "data"}, (*Pipeline).cacheInputs, (*Pipeline).cache}, // before init, which trains between cuts
		{"init", []string{"plan", "data", "cache"}, (*Pipeline).initInputs, (*Pipeline).init},
		{"train", []string{"plan", "data", "init", "cache"}, (*Pipeline).trainInputs, (*Pipeline).train},
		{"export", []string{"plan", "train"}, (*Pipeline).exportInputs, (*Pipeline).export},
		{"quantize", []string{"train"}, (*Pipeline).quantizeInputs, (*Pipeline).quantize},
		{"finish", []string{"plan", "data", "cache", "train", "quantize"}, (*Pipeline).finishInputs, (*Pipeline).finish},
		{"evaluate", []string{"plan", "data", "init", "train", "quantize", "finish"}, (*Pipeline).evaluateInputs, (*Pipeline).evaluate},
		{"gate", []string{"plan", "train", "evaluate"}, (*Pipeline).gateInputs, (*Pipeline).gate},
	}
}

// Stages are the names of all stages in their order.
func Stages() (names []string) {
	for _, s := range stages() {
		names = append(names, s.name)
	}
	return names
}

// New prepares a run; it writes nothing.
func New(r *recipe.Recipe, o Options) (*Pipeline, error) {
	for _, s := range []string{o.Only, o.From} {
		if s != "" && !slices.Contains(Stages(), s) {
			return nil, fmt.Errorf("pipeline: no stage %q, want one of %s", s, strings.Join(Stages(), ", "))
		}
	}
	if o.Ranks != nil && r.Train.Leaves%o.Ranks.Size() != 0 {
		return nil, fmt.Errorf("pipeline: %d leaves a step on %d processes: train.leaves must be a multiple", r.Train.Leaves, o.Ranks.Size())
	}
	if o.Stage == nil {
		o.Stage = func(string, Event, float64) {}
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64, string, string) {}
	}
	if o.Step == nil {
		o.Step = func(string, int, train.Metrics) {}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	p := &Pipeline{r: r, o: o, base: filepath.Dir(r.Path), done: map[string]*record{}, host: cpu.HostMemory}
	p.dir = p.at(r.Out)
	return p, nil
}

// at is a path of the recipe.
func (p *Pipeline) at(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.base, path)
}

func (p *Pipeline) all(paths []string) (out []string) {
	for _, f := range paths {
		out = append(out, p.at(f))
	}
	return out
}

// Run does the stages that are not done.
func (p *Pipeline) Run(ctx context.Context) error {
	defer tightHeap()()
	if !p.leads() {
		return p.follow(func(t training) error { return p.fit(ctx, t) })
	}
	err := p.until(ctx, "gate")
	if e := new(RankError); errors.As(err, &e) {
		return err
	}
	return errors.Join(err, p.begin(nil))
}

// until runs the stages to last.
func (p *Pipeline) until(ctx context.Context, last string) error {
	if err := p.checkPaths(); err != nil {
		return err
	}
	if err := os.MkdirAll(p.path("state"), 0o777); err != nil {
		return err
	}
	unlock, err := lock(p.path("state", "lock"), last != "gate")
	if err != nil {
		return err
	}
	defer unlock()
	for _, s := range stages() {
		if err := p.stage(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if s.name == "plan" && last == "gate" && p.o.Only == "" {
			if err := p.fitsFirst(ctx); err != nil {
				return err
			}
		}
		if s.name == last || s.name == p.o.Only {
			break
		}
	}
	return nil
}

func (p *Pipeline) stage(ctx context.Context, s stage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key, err := p.key(s)
	if err != nil {
		return err
	}
	old, err := p.load(s.name)
	if err != nil {
		return err
	}
	again := s.name == p.o.Only || s.name == p.o.From
	switch same := old != nil && old.Key == key; {
	case same && !again:
		p.done[s.name] = old
		p.o.Stage(s.name, Skipped, old.Seconds)
		return nil
	case p.o.Only != "" && s.name != p.o.Only:
		return fmt.Errorf("not done, or its inputs have changed: run without --only, or --only %s first", s.name)
	case same && again: // nothing may go on where it was
		left := append(slices.Collect(maps.Keys(old.Files)), p.runs(s.name)...)
		for _, f := range left {
			if err := os.RemoveAll(p.path(f)); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(p.recordPath(s.name)); err != nil && !os.IsNotExist(err) {
		return err
	}
	p.o.Stage(s.name, Began, 0)
	resetPeak()
	began := time.Now()
	files, result, err := s.run(p, ctx)
	if err != nil {
		return err
	}
	r := &record{Stage: s.name, Key: key, Files: map[string]string{}}
	if r.Result, err = json.Marshal(result); err != nil {
		return err
	}
	for _, f := range files {
		if r.Files[f], err = hashPath(p.path(f)); err != nil {
			return err
		}
	}
	r.Seconds, r.Peak = time.Since(began).Seconds(), peakMemory()
	if err := p.save(r); err != nil {
		return err
	}
	p.done[s.name] = r
	p.o.Stage(s.name, Done, r.Seconds)
	return nil
}

// key hashes all that goes into a stage. Results of earlier stages count through
// their files, so that a stage that made the same bytes again changes nothing.
func (p *Pipeline) key(s stage) (string, error) {
	in, err := s.inputs(p)
	if err != nil {
		return "", err
	}
	files := map[string]map[string]string{}
	for _, a := range s.after {
		files[a] = p.done[a].Files
	}
	b, err := json.Marshal(map[string]any{"version": version, "stage": s.name, "inputs": in, "files": files})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// result reads what an earlier stage left.
func (p *Pipeline) result(stage string, to any) error {
	return json.Unmarshal(p.done[stage].Result, to)
}
