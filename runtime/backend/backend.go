package backend

import (
	"github.com/qwq-edge/qwq/internal/kernel"
	"github.com/qwq-edge/qwq/quant"
)

// Tensor is a float32 matrix of a step, row-major. It is a value; copying it
// copies no numbers.
type Tensor struct {
	Rows, Cols int
	Data       []float32 // [Rows, Cols] in host memory; nil where the device has its own
	Ref        uint64    // the device's handle (an address, a node of the tape); on the CPU the quantized rows, 0: none
}

// Weight is a matrix or vector that a Device has taken over. Only its own
// device can use it.
type Weight interface {
	Name() string
	Shape() (rows, cols int) // a vector has one row
}

// Device runs steps. One goroutine at a time may call Step and Host; Weight
// and KV are called before the first step.
type Device interface {
	// Weight takes over a matrix. m.Data may be a view of a mapping that must
	// outlive the device; the CPU uses it in place.
	Weight(name string, m quant.Matrix) (Weight, error)
	// KV makes a store for the keys and values of a model.
	KV(KVSpec) (KVStore, error)
	// Step runs f once with in bound, or replays what it recorded for key. The
	// tensors are valid until the next Step.
	Step(key StepKey, in *Inputs, f func(Ops) ([]Tensor, error)) ([]Tensor, error)
	// Host returns t's numbers in host memory, [Rows*Cols], read-only and
	// valid until the next Step.
	Host(t Tensor) ([]float32, error)
	// Close frees what the device holds, its stores too. It is idempotent.
	Close() error
}

// Want is the set of results that a step returns, in this order.
type Want uint8

// The results of a step. Zero means Logits.
const (
	Logits    Want = 1 << iota // [selected rows, vocabulary]
	Hidden                     // [selected rows, hidden] after the final norm
	AllHidden                  // layers+1 tensors [rows, hidden]: the embedding and the stream after each layer
	Pooled                     // [sequences, hidden], encoders only
)

// StepKey names the shape of a step: a device that records launches may replay
// them for an equal key with other inputs.
type StepKey struct {
	Model    uint64 // which graph
	Rows     int    // tokens
	Seqs     int    // spans
	Outputs  int    // selected rows; -1: all
	KVPages  int    // an upper bound of the pages of any span, rounded up to a power of two
	Want     Want
	Layers   int  // 0: all
	Observed bool // Inputs.Observe is set
}

// Recordable says whether the step may be recorded and replayed.
func (k StepKey) Recordable() bool { return !k.Observed && k.Layers == 0 }

// Inputs is everything about a step that is not a weight. A recording device
// copies it into buffers of its own before every run; a graph therefore passes
// these very slices to Ops and never copies of them.
type Inputs struct {
	IDs       []int32  // [rows] token ids, or nil with Embeds
	Embeds    Tensor   // [rows, hidden] in place of IDs
	Positions []int32  // [rows] absolute
	Segments  []int32  // [rows] kind of segment, encoders only
	Rows      []int32  // rows wanted as outputs, ascending; nil: all, empty: none
	Views     []KVView // one per span, rows in span order
	Ends      []int32  // [spans] the row that stands for each, of a text tower
	Want      Want
	Layers    int // 0: all; else stop after this many
	// Observe is called where a matmul takes its input x: [rows, cols of the
	// weight], host memory on every device. expert is -1 outside MoE. x is valid
	// during the call only.
	Observe func(weight string, expert int, x Tensor)
	// Out is scratch: a graph appends its results to Out[:0] and leaves the grown
	// slice here, so that the next step with these Inputs allocates nothing.
	Out []Tensor
}

// KVView is one span of a step: N rows at positions Start to Start+N-1.
type KVView struct {
	Store  KVStore // nil (encoder, training): attend to the batch's own k and v; Start is then 0
	Pages  []int32 // page i holds positions 64i to 64i+63
	Start  int
	N      int
	Causal bool // row i sees positions up to Start+i; else the whole span
}

// PagePositions is the number of positions that a KV page holds.
const PagePositions = 64

// KVSpec describes a store.
type KVSpec struct {
	Type   quant.Type // F32, F16 or Q8_0 (Dim a multiple of 32)
	Layers int
	Heads  int // KV heads
	Dim    int // of a head, K and V alike
	Pages  int // the most pages there will ever be
}

// KVStore holds the bytes of KV pages; a page is the 64 positions of all
// layers. Bookkeeping (who owns which page) is kvcache's.
type KVStore interface {
	Spec() KVSpec
	// PageBytes is the size of one page over all layers, layer after layer,
	// each as kernel.KVPages describes it.
	PageBytes() int
	// Grow makes pages 0 to n-1 usable; memory is taken as pages are first
	// needed, not before.
	Grow(n int) error
	CopyPage(dst, src int32) error
	ReadPage(id int32, p []byte) error  // len(p) = PageBytes
	WritePage(id int32, p []byte) error // len(p) = PageBytes
}

// Act is an activation function of the kernels.
type Act = kernel.Act

// The activation functions.
const (
	NoAct     = kernel.None
	SiLU      = kernel.SiLU
	GELU      = kernel.GELU
	GELUTanh  = kernel.GELUTanh
	QuickGELU = kernel.QuickGELU
	ReLU      = kernel.ReLU
	Sigmoid   = kernel.Sigmoid
	Tanh      = kernel.Tanh
)

// Mask describes the attention of a layer.
type Mask = kernel.Mask
