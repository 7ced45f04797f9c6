package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
	"github.com/qwq-edge/qwq/internal/mmap"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/backend"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/model"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

// Options configures a Model; the zero value works.
type Options struct {
	// Threads is how many threads compute. 0 means as many as were measured to be
	// best (see ThreadTable), else one per CPU. PrefillThreads and DecodeThreads
	// say it for steps of many rows and of few; 0 means Threads.
	Threads, PrefillThreads, DecodeThreads int
	// ThreadTable is the path of a file that keeps measured thread counts, by
	// machine and class of model. What is missing in it is measured once, in about
	// 200 ms spread over the tokens of a long generation, and written back. ""
	// means that nothing is measured, read or written.
	ThreadTable string
	Kernel      string // kernel variant; "": QWQ_KERNEL, else the best of this machine
	Precise     bool   // float32 activations for quantized weights, and a float32 KV cache unless KV says otherwise; slow
	// KV is the type of the KV cache: f32, f16, q8_0, or auto (and ""), which is
	// f32 when Precise is set or every matrix of the model is F32, else f16.
	KV string
	// Context is the most positions of a sequence. 0 means the trained length,
	// or less where the KV cache of one such sequence would take more than half
	// of the memory that is available now (Info.Warnings says so).
	Context int
	// Sequences is how many sequences of full length the KV cache may hold; more
	// fit when they are shorter or share prefixes. Memory is taken as it is
	// needed. 0 means 4.
	Sequences int
	// Batch is the most prompt tokens of one step. 0 means 64 to 512 by the size
	// of the caches.
	Batch int
	// Experts says how the matrices of a mixture's experts come into memory: auto
	// (and "") reads those that are chosen, whole as long as steps wait for
	// storage; demand reads their pages one by one as they are touched; all reads
	// every expert in the background like the rest of the file.
	Experts string
	// Device computes; nil means a CPU that Close ends. Threads, Kernel and the
	// activations' part of Precise are the device's own otherwise.
	Device backend.Device
}

// ErrClosed is returned by a Model that was closed.
var ErrClosed = errors.New("engine: model is closed")

// Info describes an open model.
type Info struct {
	Architecture string
	Name         string // general.name, may be empty
	Parameters   uint64 // weights, those of a tied matrix once
	Bytes        uint64 // of the model file
	Layers       int
	Hidden       int
	Vocabulary   int // rows of the output matrix, padding included
	Trained      int // context the model was trained with
	Context      int // positions of a sequence here
	KV           quant.Type
	KVBytes      int64  // of one position
	Threads      int    // the most that compute
	Prefill      int    // threads of a step of many rows; 0 when the device is not the CPU
	Decode       int    // threads of a step of few
	Kernel       string // variant; empty when the device is not the CPU
	Precise      bool
	Encoder      bool     // it embeds texts and cannot write
	EmbedContext int      // tokens of a text that an encoder embeds
	Embedding    int      // length of an embedding
	Image        int      // edge of the images that it sees, in pixels; 0: it cannot see
	Defaults     Defaults // sampling settings that the file recommends
	Warnings     []string
}

// Model is an open model. Its methods may be called concurrently; steps run
// one after the other.
type Model struct {
	file    *gguf.File // nil unless Open made it
	dev     backend.Device
	ownDev  bool
	mdl     *model.Model
	tok     *tokenizer.Tokenizer // nil: the file has none
	cache   *kvcache.Cache
	info    Info
	context int
	chunk   int
	threads threads
	eyes    *eyes // nil: it cannot see

	mu     sync.Mutex // held during a step and while its tensors are read
	closed bool
	batch  model.Batch
	moving []*Seq // the sequences of batch that produce a token
	row    []int32
}

// Open opens a GGUF file, maps it and makes it ready. Where the file fits the
// available memory it is read in the background.
func Open(path string, o Options) (*Model, error) {
	defer pauseGC()()
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	if avail, ok := memAvailable(); ok && f.FileSize() < avail {
		f.Populate(o.onDemand(f)) // while the tokenizer loads
	}
	m, err := New(f, o)
	if err != nil {
		f.Close()
		return nil, err
	}
	m.file = f
	return m, nil
}

// New makes a model of a file that stays open and the caller's until Close.
func New(f *gguf.File, o Options) (*Model, error) {
	m := &Model{dev: o.Device, chunk: o.Batch}
	if o.Context < 0 || o.Batch < 0 || o.Sequences < 0 || o.Threads < 0 || o.PrefillThreads < 0 || o.DecodeThreads < 0 {
		return nil, fmt.Errorf("engine: negative option in %+v", o)
	}
	switch o.Experts {
	case "", "auto", "demand", "all":
	default:
		return nil, fmt.Errorf("engine: experts %q is not auto, demand or all", o.Experts)
	}
	if m.dev == nil {
		cpu, err := backend.NewCPU(backend.CPUOptions{Threads: o.poolThreads(), Kernel: o.Kernel, Precise: o.Precise, FetchExperts: o.Experts != "demand"})
		if err != nil {
			return nil, err
		}
		m.dev, m.ownDev = cpu, true
		m.threads.pool = cpu.Pool()
		m.info.Threads, m.info.Kernel = cpu.Pool().Threads(), cpu.Pool().Variant()
	}
	if err := m.load(f, o); err != nil {
		if m.ownDev {
			m.dev.Close()
		}
		return nil, err
	}
	return m, nil
}

func (m *Model) load(f *gguf.File, o Options) (err error) {
	if m.mdl, err = model.New(f, m.dev); err != nil {
		return err
	}
	h := m.mdl.Hyper()
	if h.Kind != "" && h.Kind != arch.KindModel {
		return f.Errorf(arch.Key(arch.KeyKind, arch.Seed), "is %s: a module, no language model; qwq-convert run runs it", h.Kind)
	}
	if demand := o.onDemand(f); demand != nil {
		for _, t := range f.Tensors() {
			if demand(t) {
				if err := t.Advise(mmap.Random); err != nil { // no readahead of experts that nobody chose
					return fmt.Errorf("engine: tensor %.80q: %w", t.Name, err)
				}
			}
		}
	}
	if m.chunk == 0 {
		m.chunk = hostBatch(h.FFN)
	}
	if _, ok := f.Get("tokenizer.ggml.model"); ok {
		if m.tok, err = tokenizer.FromGGUF(f); err != nil {
			return err
		}
		if m.tok.Len() > h.Vocab {
			return f.Errorf("tokenizer.ggml.tokens", "%d tokens, the embedding has %d rows", m.tok.Len(), h.Vocab)
		}
	}
	if h.Arch.Encoder {
		return m.loadEncoder(f, h, o)
	}
	t, err := m.kvType(o)
	if err != nil {
		return err
	}
	m.setThreads(f, o)
	return m.makeCache(f, h, o, t)
}

// onDemand says which tensors are read as they are used; nil: none.
func (o Options) onDemand(f *gguf.File) func(*gguf.Tensor) bool {
	a, ok := arch.Lookup(f.Arch())
	if !ok || o.Experts == "all" {
		return nil
	}
	return func(t *gguf.Tensor) bool {
		n, ok := a.Find(t.Name)
		return ok && n.Stacked()
	}
}

func (m *Model) kvType(o Options) (quant.Type, error) {
	switch strings.ToLower(o.KV) {
	case "", "auto":
		if o.Precise || m.mdl.F32() {
			return quant.F32, nil
		}
		return quant.F16, nil
	case "f32":
		return quant.F32, nil
	case "f16":
		return quant.F16, nil
	case "q8_0":
		return quant.Q8_0, nil
	}
	return 0, fmt.Errorf("engine: kv type %q is not auto, f32, f16 or q8_0", o.KV)
}

// maxContext keeps page counts in range; no model is trained with that much.
const maxContext = 1 << 30

// makeCache decides the context and makes the KV cache.
func (m *Model) makeCache(f *gguf.File, h arch.Hyper, o Options, t quant.Type) error {
	spec, err := m.mdl.KVSpec(t, 1)
	if err != nil {
		return err
	}
	row, _ := t.RowBytes(h.HeadDim)
	perPos := 2 * int64(row) * int64(h.KVHeads) * int64(h.Layers)
	m.context = o.Context
	switch {
	case m.context > h.Context:
		if err := m.beyond(h); err != nil {
			return err
		}
	case m.context == 0:
		m.context = h.Context
		if avail, ok := memAvailable(); ok {
			m.context = fitContext(h.Context, perPos, avail)
		}
		if m.context < h.Context {
			m.warn("context %d in place of the trained %d: the KV cache of one sequence may take half of the available memory", m.context, h.Context)
		}
	}
	n := o.Sequences
	if n == 0 {
		n = 4
	}
	if m.context > maxContext || n > maxContext {
		return fmt.Errorf("engine: context of %d positions for %d sequences is too large", m.context, n)
	}
	pages := (int64(m.context) + kvcache.PagePositions - 1) / kvcache.PagePositions * int64(n)
	if pages > 1<<30 {
		return fmt.Errorf("engine: context of %d positions for %d sequences is too large", m.context, n)
	}
	spec.Pages = int(pages)
	store, err := m.dev.KV(spec)
	if err != nil {
		return err
	}
	if m.cache, err = kvcache.New(store); err != nil {
		return err
	}
	m.describe(f, h, o, t, perPos)
	return nil
}

// mostBeyond is how many times longer than its model's reach a context may be.
const mostBeyond = 8

// beyond says what to expect of a context that is longer than the trained one:
// positions are scaled where the file says how (rope.scaling.*), always and
// with the file's own factor, whatever the context.
func (m *Model) beyond(h arch.Hyper) error {
	reach, how := h.Context, ""
	if h.Rope.Scaling != "none" {
		how = fmt.Sprintf(" (%s scaling by %g, as the file says)", h.Rope.Scaling, h.Rope.Factor)
		base := h.Rope.OrigContext
		if base == 0 {
			base = h.Context
		}
		reach = max(reach, int(min(float64(base)*h.Rope.Factor, maxContext)))
	}
	switch {
	case m.context/mostBeyond > reach:
		return fmt.Errorf("engine: context %d is more than %d times the %d positions that the model can be used with%s", m.context, mostBeyond, reach, how)
	case m.context > reach:
		m.warn("context %d is beyond the %d positions that the model can be used with%s: expect worse text after them", m.context, reach, how)
	default:
		m.warn("context %d is beyond the %d positions that the model was trained with: positions are scaled%s", m.context, h.Context, how)
	}
	return nil
}

func (m *Model) describe(f *gguf.File, h arch.Hyper, o Options, t quant.Type, perPos int64) {
	i := &m.info
	i.Architecture, i.Name, i.Bytes = h.Arch.Name, h.Name, f.FileSize()
	i.Layers, i.Hidden, i.Vocabulary, i.Embedding = h.Layers, h.Hidden, h.Vocab, h.Hidden
	i.Defaults, i.Encoder = readDefaults(f), h.Arch.Encoder
	i.Trained, i.Context, i.KV, i.KVBytes, i.Precise = h.Context, m.context, t, perPos, o.Precise
	for _, x := range f.Tensors() {
		i.Parameters += x.Elements()
	}
}

func (m *Model) warn(format string, a ...any) {
	m.info.Warnings = append(m.info.Warnings, fmt.Sprintf(format, a...))
}

// Info describes the model.
func (m *Model) Info() Info {
	i := m.info
	i.Prefill, i.Decode = int(m.threads.prefill.Load()), int(m.threads.decode.Load())
	return i
}

// Tokenizer is the model's tokenizer; nil when the file has none.
func (m *Model) Tokenizer() *tokenizer.Tokenizer { return m.tok }

// Context is the most positions of a sequence, prompt included.
func (m *Model) Context() int { return m.context }

// Vocabulary is the length of a row of logits; the tokenizer may have fewer
// ids.
func (m *Model) Vocabulary() int { return m.info.Vocabulary }

// Pages returns how many KV pages are in use and how many there can be.
func (m *Model) Pages() (used, total int) {
	if m.cache == nil {
		return 0, 0
	}
	return m.cache.Pages()
}

// Close waits for the running step, ends the worker threads and unmaps the
// file. It is idempotent; everything else returns ErrClosed afterwards.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var errs []error
	if m.ownDev {
		errs = append(errs, m.dev.Close())
	}
	if m.file != nil {
		errs = append(errs, m.file.Close())
	}
	return errors.Join(errs...)
}
