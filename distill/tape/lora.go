package tape

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// LoRA asks for low-rank pairs (Hu et al. 2021): a matched matrix W stays frozen
// and multiplies as W + Alpha/Rank·B·A. A [Rank, cols] starts uniform in
// ±1/sqrt(cols), B [rows, Rank] at 0. They are the parameters NAME.lora_a and
// NAME.lora_b; vectors and unmatched matrices are frozen unless Options.Train
// says otherwise. The rows of an embedding have the pair too.
type LoRA struct {
	Rank  int                    // 0: no pairs
	Alpha float64                // 0: Rank, i.e. a factor of 1
	Match func(name string) bool // nil: every matrix
	Seed  uint64                 // of A
}

// lora is the pair of one matrix.
type lora struct {
	rank, rows, cols int
	offA, offB       int
	scale            float32
	seed             [32]byte
	a, b             []float32 // [rank, cols], [rows, rank]
}

func (d *Device) newLoRA(w *weight) *lora {
	r := d.opt.LoRA
	l := &lora{rank: r.Rank, rows: w.rows, cols: w.cols, scale: 1}
	if r.Alpha != 0 {
		l.scale = float32(r.Alpha / float64(r.Rank))
	}
	l.offA = d.claim(w.name+".lora_a", r.Rank, w.cols)
	l.offB = d.claim(w.name+".lora_b", w.rows, r.Rank)
	l.seed = sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(w.name), r.Seed))
	return l
}

// seal places the pair in flat and fills A.
func (l *lora) seal(flat []float32) {
	l.a, l.b = flat[l.offA:l.offA+l.rank*l.cols], flat[l.offB:l.offB+l.rows*l.rank]
	rng := rand.New(rand.NewChaCha8(l.seed))
	bound := 1 / math.Sqrt(float64(l.cols))
	for i := range l.a {
		l.a[i] = float32((2*rng.Float64() - 1) * bound)
	}
}

// down is scale·x·Aᵀ: [rows of x, rank].
func (o *ops) down(l *lora, x matrix) *buffer {
	u := o.mem.alloc(x.Rows * l.rank)
	o.gemm(matrix{Rows: x.Rows, Cols: l.rank, Data: u.data}, x, matrix{Rows: l.rank, Cols: l.cols, Data: l.a}, false, true, false)
	for i := range u.data {
		u.data[i] *= l.scale
	}
	return u
}

// pairForward is y += scale·(x·Aᵀ)·Bᵀ.
func (o *ops) pairForward(l *lora, y, x matrix) {
	u := o.down(l, x)
	o.gemm(y, matrix{Rows: x.Rows, Cols: l.rank, Data: u.data}, matrix{Rows: l.rows, Cols: l.rank, Data: l.b}, false, true, true)
	o.mem.drop(u)
}

// pairBackward adds the gradients of A, B and, unless dx is empty, x.
//
//	dB += dyᵀ·u   du = scale·dy·B   dA += duᵀ·x   dx += du·A
func (o *ops) pairBackward(l *lora, dx, dy, x matrix) {
	a := matrix{Rows: l.rank, Cols: l.cols, Data: l.a}
	b := matrix{Rows: l.rows, Cols: l.rank, Data: l.b}
	u := o.down(l, x)
	um := matrix{Rows: x.Rows, Cols: l.rank, Data: u.data}
	o.gemm(matrix{Rows: l.rows, Cols: l.rank, Data: o.grad[l.offB:][:l.rows*l.rank]}, dy, um, true, false, true)
	o.gemm(um, dy, b, false, false, false)
	for i := range u.data {
		u.data[i] *= l.scale
	}
	o.gemm(matrix{Rows: l.rank, Cols: l.cols, Data: o.grad[l.offA:][:l.rank*l.cols]}, um, x, true, false, true)
	if dx.Data != nil {
		o.gemm(dx, um, a, false, false, true)
	}
	o.mem.drop(u)
}

// rowsOfB is scale·B[ids]: [len(ids), rank].
func (o *ops) rowsOfB(l *lora, ids []int32) (matrix, *buffer) {
	b := o.mem.alloc(len(ids) * l.rank)
	u := matrix{Rows: len(ids), Cols: l.rank, Data: b.data}
	o.look(u, matrix{Rows: l.rows, Cols: l.rank, Data: l.b}, ids)
	for i := range u.Data {
		u.Data[i] *= l.scale
	}
	return u, b
}

// pairLook is y += scale·B[ids]·A, for an embedding.
func (o *ops) pairLook(l *lora, y matrix, ids []int32) {
	u, b := o.rowsOfB(l, ids)
	o.gemm(y, u, matrix{Rows: l.rank, Cols: l.cols, Data: l.a}, false, false, true)
	o.mem.drop(b)
}

// pairScatter adds the gradients of A and B that pairLook has.
//
//	dA += uᵀ·dy   dB[ids] += scale·dy·Aᵀ   u = scale·B[ids]
func (o *ops) pairScatter(l *lora, dy matrix, ids []int32) {
	u, b := o.rowsOfB(l, ids)
	o.gemm(matrix{Rows: l.rank, Cols: l.cols, Data: o.grad[l.offA:][:l.rank*l.cols]}, u, dy, true, false, true)
	o.gemm(u, dy, matrix{Rows: l.rank, Cols: l.cols, Data: l.a}, false, true, false)
	for i := range u.Data {
		u.Data[i] *= l.scale
	}
	o.pool.ScatterRows(matrix{Rows: l.rows, Cols: l.rank, Data: o.grad[l.offB:][:l.rows*l.rank]}, u, ids)
	o.mem.drop(b)
}
