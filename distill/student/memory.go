package student

import (
	"math/bits"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// Training is what decides a run's time and memory besides the student.
type Training struct {
	Rows, Length int  // of a micro-batch
	Leaves       int  // micro-batches a step and process; 0: 1
	Steps        int  // of the run
	Chunk        int  // rows of logits at a time; 0: tape.HeadChunk
	Recompute    bool // tape.Options.Recompute
	EMA          bool // a moving average is kept
	Shared       int  // processes that share the optimizer's state; 0: 1
	Precision    tape.Precision
}

// Memory is the bytes of one training process at its peak.
type Memory struct {
	Parameters, Gradients, Optimizer int64
	Tensors                          int64 // tape.Device.PeakBytes
	Rest                             int64 // program, pages of keys and values, packed operands, a batch
}

// Total is all of it, with garbage: the collector runs when a tenth of the heap is
// free, measured are 6 to 10 % of the numbers.
func (m Memory) Total() int64 {
	return (m.Parameters+m.Gradients+m.Optimizer+m.Tensors)*108/100 + m.Rest
}

// rest is what a run takes besides, measured: 48 to 60 MB.
const rest = 52 << 20

// Memory is the peak while a student of shape s is trained whole in the graph of
// the dense decoders. The tape keeps of each layer and row
//
//	x, h: 2·hidden   q, k, v, heads' result: 2·Q + 2·KV   gate, up: 2·FFN
//
// and where heads are normalised q and k once more; with Recompute x alone. The
// peak is the largest of: the head with a chunk of logits; the last layer's end,
// where its other tensors are still there; its backward, where the input of the down
// projection is made again beside its gradient.
func (t Training) Memory(h arch.Hyper, has func(string) bool, s Shape) Memory {
	_, params := s.Params(h, has)
	leaves, shared := max(1, t.Leaves), max(1, t.Shared)
	chunk := t.Chunk
	if chunk == 0 {
		chunk = tape.HeadChunk(s.Vocab)
	}
	rows := t.Rows * t.Length
	chunk = min(chunk, rows)
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	layer := 2*s.Hidden + 2*q + 2*kv + 2*s.FFN
	for i := range h.Arch.Tensors {
		if n := &h.Arch.Tensors[i]; n.Vector && n.Axes[0] == arch.HeadDim && (!n.Optional || has(n.GGUF)) {
			layer += (q + kv) / 2 // one of the two norms
		}
	}
	head, below := s.Layers*layer+3*s.Hidden, (s.Layers-1)*layer
	end, back := layer+5*s.Hidden+s.FFN, layer+s.Hidden+2*s.FFN
	if t.Recompute { // the layer runs again above all x, its own x among them, and the gradient of its result
		head, below = (s.Layers+3)*s.Hidden, s.Layers*s.Hidden
		back -= s.Hidden
	}
	peak := max(rows*head+chunk*s.Vocab, rows*(below+end), rows*(below+back))
	m := Memory{
		Parameters: 4 * int64(params), Gradients: 4 * int64(params) * int64(bits.Len(uint(leaves-1))+1), Optimizer: 8 * int64(params) / int64(shared),
		Tensors: 4 * int64(peak), Rest: rest + 8*int64(rows)*int64(kv),
	}
	if t.EMA {
		m.Optimizer += 4 * int64(params)
	}
	return m
}
