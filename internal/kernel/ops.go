package kernel

import (
	"fmt"

	"github.com/qwq-edge/qwq/arm/ref"

	"github.com/qwq-edge/qwq/quant"
)

// op is the row-wise operation in progress.
type op struct {
	kind      opKind
	y, x      F32
	w, b      []float32
	eps       float32
	dim, rot  int
	act       Act
	neox      bool
	positions []int32
	table     *RopeTable
	ids       []int32
	m         quant.Matrix
	kv        KVPages

	fnRows, fnValues func(worker, lo, hi int)
}

type opKind int

const (
	opRMSNorm opKind = iota
	opRMSNormActs
	opLayerNorm
	opSoftmax
	opRoPE
	opEmbed
	opStoreKV
	opAdd
	opMul
	opAct
)

// bind makes the functions that jobs run, once, so that a call allocates none.
func (p *Pool) bind() {
	p.act.variant = p.variant
	p.act.fnPrepare, p.act.fnPack, p.act.fnRows = p.act.prepareTokens, p.act.packStrips, p.compute
	p.attn.fnItem, p.attn.fnTask, p.attn.fnMerge = p.attendItems, p.attendTasks, p.attendMerge
	p.op.fnRows, p.op.fnValues = p.opRows, p.opValues
}

// rows runs o for every row, values for every value; a thread takes at least
// about 4096 values at a time. The lock is held.
func (p *Pool) rows(rows, cols int) error {
	defer p.op.release()
	return p.run(rows, max(1, 4096/max(cols, 1)), p.op.fnRows)
}

func (p *Pool) values(n int) error {
	defer p.op.release()
	return p.run(n, 4096, p.op.fnValues)
}

func (o *op) release() {
	*o = op{fnRows: o.fnRows, fnValues: o.fnValues}
}

func (p *Pool) opRows(worker, lo, hi int) {
	o := &p.op
	for r := lo; r < hi; r++ {
		switch o.kind {
		case opRMSNorm:
			x, y := o.x.At(r), o.y.At(r)
			for h := 0; h < len(x); h += o.dim {
				p.variant.rmsNorm(y[h:h+o.dim], x[h:h+o.dim], o.w, o.eps)
			}
		case opRMSNormActs:
			p.variant.rmsNorm(o.y.At(r), o.x.At(r), o.w, o.eps)
			p.act.bad[r] = p.act.quantize(r, o.y.At(r))
		case opLayerNorm:
			p.variant.layerNorm(o.y.At(r), o.x.At(r), o.w, o.b, o.eps)
		case opSoftmax:
			p.variant.softmax(o.x.At(r))
		case opRoPE:
			at := int(o.positions[r]) * o.rot / 2
			cos, sin := o.table.Cos[at:at+o.rot/2], o.table.Sin[at:at+o.rot/2]
			x := o.x.At(r)
			for h := 0; h < len(x); h += o.dim {
				p.variant.rotate(x[h:h+o.dim], cos, sin, o.neox)
			}
		case opEmbed:
			p.workers[worker].values(o.y.At(r), o.m.Type, o.m.Row(int(o.ids[r])))
		case opStoreKV:
			p.variant.storeRow(&o.kv, r, o.y.At(r), o.x.At(r))
		}
	}
}

func (p *Pool) opValues(_, lo, hi int) {
	o := &p.op
	y, x := o.y.Data[lo:hi], o.x.Data[lo:hi]
	switch o.kind {
	case opAdd:
		p.variant.add(y, x)
	case opMul:
		p.variant.mul(y, x)
	case opAct:
		p.variant.activate(y, x, o.act)
	}
}

// plain are the activation functions that no model spends time in: no rung has
// a kernel for them.
var plain = map[Act]func(float32) float32{QuickGELU: ref.QuickGELU, ReLU: ref.ReLU, Sigmoid: ref.Sigmoid, Tanh: ref.Tanh}

// activate is y = a(x); y may be x.
func (v variant) activate(y, x []float32, a Act) {
	switch a {
	case None:
		copy(y, x)
	case SiLU:
		v.silu(y, x, nil)
	case GELU, GELUTanh:
		v.gelu(y, x, a == GELUTanh)
	case QuickGELU, ReLU, Sigmoid, Tanh:
		f := plain[a]
		for i, x := range x {
			y[i] = f(x)
		}
	default:
		panic(fmt.Sprintf("kernel: no activation function %d", a))
	}
}

// must stops at a call with shapes that do not fit, a bug of the caller.
func must(ok bool, what string, y, x F32) {
	if !ok || len(y.Data) != y.Rows*y.Cols || len(x.Data) != x.Rows*x.Cols {
		panic(fmt.Sprintf("kernel: %s: y [%d, %d] with %d values, x [%d, %d] with %d", what, y.Rows, y.Cols, len(y.Data), x.Rows, x.Cols, len(x.Data)))
	}
}

func same(y, x F32) bool { return y.Rows == x.Rows && y.Cols == x.Cols }

// fault stops at memory that cannot be read in an operation without errors; its
// operands are not mapped files, so it is a bug.
func fault(err error) {
	if err != nil {
		panic(err)
	}
}

// RMSNorm computes y = x/sqrt(mean x² + eps)·w for each row. y may be x. Like all
// methods without an error it panics on shapes that do not fit.
func (p *Pool) RMSNorm(y, x F32, w []float32, eps float32) {
	p.RMSNormHeads(y, x, x.Cols, w, eps)
}

// RMSNormHeads is RMSNorm of every head of dim values on its own; w: [dim].
func (p *Pool) RMSNormHeads(y, x F32, dim int, w []float32, eps float32) {
	must(same(y, x) && len(w) == dim && dim > 0 && x.Cols%dim == 0, "rmsnorm", y, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.y, o.x, o.w, o.eps, o.dim = opRMSNorm, y, x, w, eps, dim
	fault(p.rows(x.Rows, x.Cols))
}

// LayerNorm computes y = (x-mean)/sqrt(var + eps)·w + b for each row. y may be x;
// w and b may be nil.
func (p *Pool) LayerNorm(y, x F32, w, b []float32, eps float32) {
	must(same(y, x) && (w == nil || len(w) == x.Cols) && (b == nil || len(b) == x.Cols), "layernorm", y, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.y, o.x, o.w, o.b, o.eps = opLayerNorm, y, x, w, b, eps
	fault(p.rows(x.Rows, x.Cols))
}

// Softmax replaces each row by e^x/Σe^x.
func (p *Pool) Softmax(x F32) {
	must(true, "softmax", x, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.op.kind, p.op.x = opSoftmax, x
	fault(p.rows(x.Rows, x.Cols))
}

// Add computes y += x.
func (p *Pool) Add(y, x F32) { p.pointwise(opAdd, y, x, None) }

// Mul computes y *= x.
func (p *Pool) Mul(y, x F32) { p.pointwise(opMul, y, x, None) }

// Act computes y = a(x). y may be x.
func (p *Pool) Act(y, x F32, a Act) { p.pointwise(opAct, y, x, a) }

func (p *Pool) pointwise(kind opKind, y, x F32, a Act) {
	must(same(y, x), "pointwise", y, x)
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.y, o.x, o.act = kind, y, x, a
	fault(p.values(len(x.Data)))
}

// RoPE rotates the first rot values of every head of dim by the angles of the
// row's position: pairs (i, i+rot/2) if neox, else (2i, 2i+1). x: [rows, heads·dim];
// positions: [rows]. Positions beyond the table are an error: Grow it first.
func (p *Pool) RoPE(x F32, dim, rot int, positions []int32, t *RopeTable, neox bool) error {
	must(len(positions) == x.Rows && dim > 0 && x.Cols%dim == 0, "rope", x, x)
	if rot < 0 || rot%2 != 0 || rot > dim || rot != 2*len(t.Freqs) {
		return fmt.Errorf("kernel: rope: %d of %d values with %d frequencies", rot, dim, len(t.Freqs))
	}
	for i, pos := range positions {
		if pos < 0 || int(pos) >= t.Len() {
			return fmt.Errorf("kernel: rope: row %d has position %d, the table ends at %d", i, pos, t.Len())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.x, o.dim, o.rot, o.positions, o.table, o.neox = opRoPE, x, dim, rot, positions, t, neox
	return p.rows(x.Rows, x.Cols)
}

// EmbedRows writes the values of row ids[i] of w to row i of y: [len(ids), w.Cols].
// Errors: an id outside the matrix, a type that cannot be decoded, memory that
// cannot be read.
func (p *Pool) EmbedRows(y F32, w quant.Matrix, ids []int32) error {
	must(y.Rows == len(ids) && y.Cols == w.Cols, "embed", y, y)
	if !w.Type.CanDecode() {
		return fmt.Errorf("kernel: embed: rows of type %v cannot be decoded", w.Type)
	}
	if n, ok := w.Type.RowBytes(w.Cols); !ok || w.Rows < 0 || len(w.Data) != n*w.Rows {
		return fmt.Errorf("kernel: embed: matrix %v [%d, %d] with %d bytes", w.Type, w.Rows, w.Cols, len(w.Data))
	}
	for i, id := range ids {
		if id < 0 || int(id) >= w.Rows {
			return fmt.Errorf("kernel: embed: id %d at %d, the matrix has %d rows", id, i, w.Rows)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &p.op
	o.kind, o.y, o.m, o.ids = opEmbed, y, w, ids
	return p.rows(y.Rows, y.Cols)
}
