package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/chat"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/grammar"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/store"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Listed is a model that can be loaded.
type Listed struct {
	Name string
	Path string    // "": it is part of the program
	Time time.Time // when it was written
	Size int64     // bytes
}

// HubOptions say where models come from and how they run.
type HubOptions struct {
	List   func() []Listed                  // the models that can be asked for; the first is the default
	Open   func(Listed) (*gguf.File, error) // opens one
	Draft  *Listed                          // a small model that guesses for those with its vocabulary; nil: none
	Engine engine.Options
	Sched  sched.Options
	Events func(model string) sched.Events // what hears of a model's requests; nil: nobody
	Idle   time.Duration                   // a model that nobody used for so long is unloaded; 0: never
	Most   int                             // models at a time; 0: 3
	Fits   func(bytes int64) error         // whether a file of this size may be loaded now; nil: always
	Store  *store.Store                    // keeps KV caches and sessions beyond the process; nil: nothing does
	Topics *Topics                         // follows the conversations of sessions; nil: nothing does
	Safety *Safety                         // checks prompts and answers; nil: nothing does
	Log    *slog.Logger                    // hears what the store cannot do; nil: nobody does
}

// Hub holds the loaded models. Its methods may be called concurrently.
type Hub struct {
	o HubOptions

	mu     sync.Mutex
	closed bool
	loaded map[string]*Loaded
	old    []*Loaded // in use when they were to be read anew: they go with their last user
	timer  *time.Timer
}

// Loaded is a model in use.
type Loaded struct {
	Listed
	Model      *engine.Model
	Sched      *sched.Scheduler
	Template   *chat.Template // nil: texts are continued
	Format     chat.Format    // of tool calls
	Vocabulary *grammar.Vocabulary
	Quant      string // type of most weights
	Since      time.Time

	file   *gguf.File
	assist *assist       // nil: no draft model
	most   int           // bytes of the longest text that may fit the context
	coder  bool          // calls are written in Qwen3-Coder's tags, not in JSON
	disk   *disk         // nil: nothing is kept
	store  *store.Store  // nil: nothing is kept
	topics *Topics       // nil: nobody follows conversations
	safety *Safety       // nil: nobody checks
	unwarm func()        // ends warm
	warmed chan struct{} // closed when warm has ended

	embed chan struct{} // holds the turn of embedding
	ready chan struct{} // closed when err or the rest is there
	err   error
	users int
	used  time.Time
}

// NewHub makes a hub; nothing is loaded yet.
func NewHub(o HubOptions) *Hub {
	if o.Most <= 0 {
		o.Most = 3
	}
	return &Hub{o: o, loaded: map[string]*Loaded{}}
}

// UnknownModelError says that there is no such model.
type UnknownModelError struct{ Name string }

func (e *UnknownModelError) Error() string { return fmt.Sprintf("there is no model %q", e.Name) }

// Closed reports whether Drain began.
func (h *Hub) Closed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// List lists the models that can be asked for.
func (h *Hub) List() []Listed { return h.o.List() }

// find is the model of a name; "" is the default.
func (h *Hub) find(name string) (Listed, error) {
	list := h.o.List()
	if name == "" && len(list) > 0 {
		return list[0], nil
	}
	for _, alias := range []string{name, name + ":latest"} {
		if i := slices.IndexFunc(list, func(l Listed) bool { return l.Name == alias || l.Name+":latest" == alias }); i >= 0 {
			return list[i], nil
		}
	}
	return Listed{}, &UnknownModelError{name}
}

// Use returns a loaded model, and loads it if it is not. done must be called when it
// is not used any more.
func (h *Hub) Use(ctx context.Context, name string) (l *Loaded, done func(), err error) {
	m, err := h.find(name)
	if err != nil {
		return nil, nil, err
	}
	if l, err = h.enter(m); err != nil {
		return nil, nil, err
	}
	done = sync.OnceFunc(func() { h.leave(l) })
	select {
	case <-l.ready:
	case <-ctx.Done():
		done()
		return nil, nil, ctx.Err()
	}
	if l.err != nil {
		done()
		return nil, nil, l.err
	}
	return l, done, nil
}

// enter counts a user of a model, which may still have to be loaded.
func (h *Hub) enter(m Listed) (*Loaded, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, sched.ErrClosed
	}
	l := h.loaded[m.Name]
	if l == nil {
		if err := h.place(m); err != nil {
			return nil, err
		}
		l = &Loaded{Listed: m, ready: make(chan struct{}), Since: time.Now(), users: 1, store: h.o.Store, topics: h.o.Topics, safety: h.o.Safety} // load itself: all others may go away
		h.loaded[m.Name] = l
		go h.load(l)
	}
	l.users++
	return l, nil
}

// place makes room for one more model: those that nobody uses go, the longest unused
// first.
func (h *Hub) place(m Listed) error {
	busy := func(err error) error { return &sched.BusyError{Reason: err.Error(), After: 5 * time.Second} }
	for len(h.loaded) >= h.o.Most {
		if !h.dropOldest() {
			return busy(fmt.Errorf("%d models are in use, %s has to wait", len(h.loaded), m.Name))
		}
	}
	if h.o.Fits == nil {
		return nil
	}
	err := h.o.Fits(m.Size)
	for err != nil && h.dropOldest() {
		err = h.o.Fits(m.Size)
	}
	if err != nil {
		return busy(err)
	}
	return nil
}

func (h *Hub) dropOldest() bool {
	var oldest *Loaded
	for _, l := range h.loaded {
		if l.users == 0 && (oldest == nil || l.used.Before(oldest.used)) {
			oldest = l
		}
	}
	if oldest == nil {
		return false
	}
	delete(h.loaded, oldest.Name)
	oldest.close()
	return true
}

// load makes a model ready. A failure is told to all who wait; the next Use tries again.
func (h *Hub) load(l *Loaded) {
	err := l.opened(h.o)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.closed {
		l.close()
		err = sched.ErrClosed
	}
	if l.err = err; err != nil && h.loaded[l.Name] == l {
		delete(h.loaded, l.Name)
	}
	h.left(l)
	close(l.ready)
}

// opened is open; a panic, which is a bug of ours, is the end of that model alone.
func (l *Loaded) opened(o HubOptions) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{v, debug.Stack()}
		}
	}()
	return l.open(o)
}

func (l *Loaded) open(o HubOptions) (err error) {
	if l.file, err = o.Open(l.Listed); err != nil {
		return err
	}
	if l.Model, err = engine.New(l.file, o.Engine); err != nil {
		return errors.Join(err, l.file.Close())
	}
	if t := l.Model.Tokenizer(); t != nil {
		l.Vocabulary = grammar.NewVocabulary(t)
		l.most = mostText(t, l.Model.Context())
		if src := t.ChatTemplate(); src != "" {
			if l.Template, err = chat.Parse("chat template", src); err != nil {
				return errors.Join(err, l.Model.Close(), l.file.Close())
			}
			l.Format = chat.DetectFormat(src)
			l.coder = strings.Contains(src, "<function=")
		}
	}
	l.Quant = mostType(l.file)
	l.embed = make(chan struct{}, 1)
	l.help(o)
	s := o.Sched
	s.Room = l.room(s.Room)
	if o.Events != nil {
		s.Events = o.Events(l.Name)
	}
	if err := l.persist(o); err != nil {
		if l.assist != nil {
			l.assist.close()
		}
		return errors.Join(err, l.Model.Close(), l.file.Close())
	}
	if l.disk != nil {
		s.Disk = l.disk
	}
	l.Sched = sched.New(l.Model, s)
	if l.disk != nil {
		var ctx context.Context
		ctx, l.unwarm = context.WithCancel(context.Background())
		l.warmed = make(chan struct{})
		go l.warm(ctx)
	}
	return nil
}

// mostText is twice what a context of the longest tokens writes: a longer text does not
// fit, and need not be tokenized to know that.
func mostText(t *tokenizer.Tokenizer, context int) int {
	longest := 1
	for id := range int32(t.Len()) {
		longest = max(longest, len(t.Token(id)))
	}
	return int(min(2*int64(longest)*int64(context), maxBody)) // of 32 bits on some boards
}

// mostType is the type that most weights have, as ggml writes it.
func mostType(f *gguf.File) string {
	bytes := map[string]uint64{}
	best := ""
	for _, t := range f.Tensors() {
		name := t.Type.String()
		bytes[name] += t.Elements()
		if best == "" || bytes[name] > bytes[best] || bytes[name] == bytes[best] && name < best {
			best = name
		}
	}
	return best
}

func (l *Loaded) close() {
	if l.disk != nil {
		l.unwarm()
		<-l.warmed
	}
	l.Sched.Close()
	l.Model.Close()
	if l.assist != nil {
		l.assist.close()
	}
	l.file.Close()
}

// leave ends a use.
func (h *Hub) leave(l *Loaded) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.left(l)
}

// left is leave under the lock.
func (h *Hub) left(l *Loaded) {
	l.users--
	l.used = time.Now()
	if i := slices.Index(h.old, l); i >= 0 && l.users == 0 {
		h.old = slices.Delete(h.old, i, i+1)
		if l.err == nil {
			l.close()
		}
		return
	}
	if h.o.Idle > 0 && l.users == 0 && h.timer == nil && !h.closed {
		h.timer = time.AfterFunc(h.o.Idle, h.sweep)
	}
}

// sweep unloads what is idle.
func (h *Hub) sweep() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = nil
	var next time.Duration
	for name, l := range h.loaded {
		if l.users > 0 {
			continue
		}
		if left := h.o.Idle - time.Since(l.used); left > 0 {
			if next == 0 || left < next {
				next = left
			}
			continue
		}
		delete(h.loaded, name)
		l.close()
	}
	if next > 0 && !h.closed {
		h.timer = time.AfterFunc(next, h.sweep)
	}
}

// Loaded lists what is ready, by name.
func (h *Hub) Loaded() []*Loaded {
	h.mu.Lock()
	defer h.mu.Unlock()
	return ready(slices.Collect(maps.Values(h.loaded)))
}

// all is Loaded, and the models that go with their last user.
func (h *Hub) all() []*Loaded {
	h.mu.Lock()
	defer h.mu.Unlock()
	return ready(slices.AppendSeq(slices.Clone(h.old), maps.Values(h.loaded)))
}

// ready are the models of list whose loading has ended, the oldest first.
func ready(list []*Loaded) (out []*Loaded) {
	for _, l := range list {
		select {
		case <-l.ready:
			if l.err == nil {
				out = append(out, l)
			}
		default:
		}
	}
	slices.SortFunc(out, func(a, b *Loaded) int { return a.Since.Compare(b.Since) })
	return out
}

// Reload lets the next request of each model read its file anew. Models in use, whose names
// are returned, answer to the end.
func (h *Hub) Reload() (busy []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, l := range h.loaded {
		delete(h.loaded, name)
		if l.users > 0 {
			busy = append(busy, name)
			h.old = append(h.old, l)
			continue
		}
		l.close()
	}
	slices.Sort(busy)
	return busy
}

// Stalled is the longest that a scheduler with work has made no progress.
func (h *Hub) Stalled() time.Duration {
	var worst time.Duration
	for _, l := range h.all() {
		worst = max(worst, l.Sched.Stalled())
	}
	return worst
}

// Drain lets all requests end, or cuts them off when ctx ends, and closes all models.
func (h *Hub) Drain(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	if h.timer != nil {
		h.timer.Stop()
	}
	h.mu.Unlock()
	all := h.all()
	h.mu.Lock()
	h.old = nil // their last users close nothing
	h.mu.Unlock()
	var errs []error
	for _, l := range all {
		if l.disk != nil {
			l.unwarm()
		}
		errs = append(errs, l.Sched.Drain(ctx))
		l.close()
	}
	h.mu.Lock()
	clear(h.loaded)
	h.mu.Unlock()
	return errors.Join(errs...)
}
