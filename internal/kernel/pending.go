package kernel

import (
	"errors"

	"github.com/qwq-edge/qwq/quant"
)

// Pool is a set of locked OS threads that compute. Its methods may be called
// from several goroutines; calls run one after the other.
type Pool struct{}

// RopeTable holds the cosines and sines of rotary embeddings.
type RopeTable struct {
	Cos, Sin []float32 // [positions, rot/2]
	Freqs    []float64 // rot/2 inverse frequencies, radians per position
	Scale    float32   // factor on every entry (YaRN's attention factor); 1 normally
}

var errPending = errors.New("kernel: not built yet")

func New(Options) (*Pool, error)                                                          { return nil, errPending }
func (p *Pool) Close() error                                                              { return nil }
func (p *Pool) Threads() int                                                              { return 1 }
func (p *Pool) Variant() string                                                           { return "generic" }
func (p *Pool) Parallel(n, grain int, f func(worker, lo, hi int))                         {}
func (p *Pool) MatMul(y []F32, x F32, w []quant.Matrix, f Fuse) error                     { return errPending }
func (p *Pool) Attend(y, q F32, seqs []KVPages, m Mask) error                             { return errPending }
func (p *Pool) StoreKV(k, v F32, s KVPages) error                                         { return errPending }
func (p *Pool) RMSNorm(y, x F32, w []float32, eps float32)                                {}
func (p *Pool) LayerNorm(y, x F32, w, b []float32, eps float32)                           {}
func (p *Pool) RMSNormHeads(y, x F32, dim int, w []float32, eps float32)                  {}
func (p *Pool) RoPE(x F32, dim, rot int, positions []int32, t *RopeTable, neox bool) error { return errPending }
func (p *Pool) Add(y, x F32)                                                              {} // y += x
func (p *Pool) Mul(y, x F32)                                                              {} // y *= x
func (p *Pool) Act(y, x F32, a Act)                                                       {} // y = act(x)
func (p *Pool) Softmax(x F32)                                                             {} // each row in place
func (p *Pool) EmbedRows(y F32, w quant.Matrix, ids []int32) error                        { return errPending }

// PageBytes is the size of one KV page.
func PageBytes(t quant.Type, heads, dim int) (int, error) { return 0, errPending }

// NewRopeTable makes an empty table; Grow fills it.
func NewRopeTable(freqs []float64, scale float32) *RopeTable { return &RopeTable{Freqs: freqs, Scale: scale} }

// Grow makes the table cover positions 0 to n-1. Not for use during a step.
func (t *RopeTable) Grow(n int) {}

// InvFreqs returns base^(-2i/rot) for i in [0, rot/2), the same bits on every machine.
func InvFreqs(base float64, rot int) []float64 { return nil }

// Variants lists the variants that this machine and build can run.
func Variants() []string { return nil }
