package student

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/qwq-edge/qwq/gguf/arch"
)

// Stats is what forward passes said about a teacher's units. Those of the same
// teacher add up.
type Stats struct {
	dims      arch.Dims
	rows      uint64
	norms     [][]sum // [2*layers+1][hidden]: of both norms of each layer, and the last
	ffn       [][]sum // [layers][FFN]
	heads     [][]sum // [layers][heads*head dimension]
	distances []sum   // [layers]: Σ over rows of the mean of 1-cos
}

func newStats(d arch.Dims) *Stats {
	s := &Stats{dims: d, distances: make([]sum, d.Layers)}
	for range d.Layers {
		s.ffn = append(s.ffn, make([]sum, d.FFN))
		s.heads = append(s.heads, make([]sum, d.Heads*d.HeadDim))
	}
	for range 2*d.Layers + 1 {
		s.norms = append(s.norms, make([]sum, d.Hidden))
	}
	return s
}

// Rows is the number of rows that were measured.
func (s *Stats) Rows() int { return int(s.rows) }

// Merge adds the statistics of other rows.
func (s *Stats) Merge(t *Stats) error {
	if s.dims != t.dims {
		return fmt.Errorf("student: statistics of shapes %+v and %+v", s.dims, t.dims)
	}
	s.rows += t.rows
	to, from := s.all(), t.all()
	for i := range to {
		for j := range to[i] {
			to[i][j].plus(from[i][j])
		}
	}
	return nil
}

func (s *Stats) all() [][]sum {
	a := append([][]sum{s.distances}, s.norms...)
	return append(append(a, s.ffn...), s.heads...)
}

// Hidden is the importance of each column of the residual stream.
func (s *Stats) Hidden() []float64 {
	out := make([]float64, s.dims.Hidden)
	for _, n := range s.norms {
		for i, x := range n {
			out[i] += math.Sqrt(x.float())
		}
	}
	return out
}

// FFN is the importance of each unit of a layer's feed-forward block.
func (s *Stats) FFN(layer int) []float64 {
	out := make([]float64, s.dims.FFN)
	for i, x := range s.ffn[layer] {
		out[i] = math.Sqrt(x.float())
	}
	return out
}

// Heads is the importance of each query head of a layer.
func (s *Stats) Heads(layer int) []float64 {
	out := make([]float64, s.dims.Heads)
	for i, x := range s.heads[layer] {
		out[i/s.dims.HeadDim] += x.float()
	}
	for i := range out {
		out[i] = math.Sqrt(out[i])
	}
	return out
}

// Distances is 1-cos between each layer's input and output, mean over positions.
func (s *Stats) Distances() []float64 {
	out := make([]float64, s.dims.Layers)
	for i, x := range s.distances {
		out[i] = x.float() / max(1, float64(s.rows))
	}
	return out
}

var statsMagic = []byte("qwqstat1")

// MarshalBinary is the sums for another process: the magic, the sizes hidden, FFN,
// heads, KV heads, head dimension, vocabulary, layers, rotated dimensions and the
// rows as uint64, then each sum as two, little-endian.
func (s *Stats) MarshalBinary() ([]byte, error) {
	b := append([]byte(nil), statsMagic...)
	d := s.dims
	for _, n := range []int{d.Hidden, d.FFN, d.Heads, d.KVHeads, d.HeadDim, d.Vocab, d.Layers, d.Rot} {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	b = binary.LittleEndian.AppendUint64(b, s.rows)
	for _, part := range s.all() {
		for _, x := range part {
			b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, x.Hi), x.Lo)
		}
	}
	return b, nil
}

// UnmarshalBinary reads what MarshalBinary made.
func (s *Stats) UnmarshalBinary(b []byte) error {
	const head = 8 + 9*8
	if len(b) < head || string(b[:8]) != string(statsMagic) {
		return errors.New("student: no statistics")
	}
	var n [9]uint64
	for i := range n {
		n[i] = binary.LittleEndian.Uint64(b[8+8*i:])
		if i < 8 && n[i] > 1<<26 {
			return fmt.Errorf("student: statistics of a size %d", n[i])
		}
	}
	have := uint64(len(b)-head) / 16
	hidden, ffn, heads, layers, dim := n[0], n[1], n[2], n[6], n[4]
	if layers > 1<<16 || dim > 1<<16 || heads > 1<<22 {
		return fmt.Errorf("student: statistics of %d layers, %d heads of %d", layers, heads, dim)
	}
	if want := layers + (2*layers+1)*hidden + layers*ffn + layers*heads*dim; want != have || len(b) != int(head+16*want) {
		return fmt.Errorf("student: %d bytes of statistics, want %d sums", len(b), want)
	}
	*s = *newStats(arch.Dims{
		Hidden: int(hidden), FFN: int(ffn), Heads: int(heads), KVHeads: int(n[3]), HeadDim: int(dim),
		Vocab: int(n[5]), Layers: int(layers), Rot: int(n[7]),
	})
	s.rows = n[8]
	b = b[head:]
	for _, part := range s.all() {
		for i := range part {
			part[i] = sum{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
			b = b[16:]
		}
	}
	return nil
}
