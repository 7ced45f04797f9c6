package backend

// Experts is a layer's mixture of experts. The matrices of all experts are
// stacked by rows.
type Experts struct {
	Gate, Up Weight // [experts*ffn, hidden], or nil
	Down     Weight // [experts*hidden, ffn]; without Gate [experts*outputs, hidden]
	Bias     Weight // of Down, one row of experts*outputs, or nil
	Used     int    // experts of a row
	Norm     bool   // scale a row's weights to a sum of 1
	Act      Act    // between Gate and Up
}

// Ops is what a graph is made of: whole tensors in, whole tensors out. There
// are at most 20 operations. An operation that "consumes" a tensor may reuse
// its memory: the graph must not use that tensor again. Errors stick: after
// the first, operations do nothing, and Device.Step returns it. An operation
// that a device cannot do is such an error, never a silent default.
type Ops interface {
	// In is the step's inputs.
	In() *Inputs
	// Layer runs f as layer i and returns its result. Only x, the weights and
	// the inputs reach f, and only f's result leaves it: a device frees the rest
	// and the tape may run f a second time. It consumes x.
	Layer(i int, x Tensor, f func(o Ops, i int, x Tensor) Tensor) Tensor

	// Embed returns the rows ids of w: [len(ids), cols]. ids is a slice of In.
	Embed(w Weight, ids []int32) Tensor
	// Input uploads In.Embeds.
	Input() Tensor
	// Rows returns the rows of x that idx (a slice of In) names.
	Rows(x Tensor, idx []int32) Tensor

	// RMSNorm returns x / sqrt(mean(x²) + eps) * w, row by row.
	RMSNorm(x Tensor, w Weight, eps float32) Tensor
	// LayerNorm returns (x - mean) / sqrt(var + eps) * w + b, row by row.
	LayerNorm(x Tensor, w, b Weight, eps float32) Tensor
	// HeadNorm is RMSNorm over each run of dim columns; it consumes x.
	HeadNorm(x Tensor, dim int, w Weight, eps float32) Tensor

	// Linear returns x·wᵀ + b; b may be nil.
	Linear(x Tensor, w, b Weight) Tensor
	// QKV is three Linears of one input.
	QKV(x Tensor, w, b [3]Weight) (q, k, v Tensor)
	// GateUp returns act(x·gateᵀ + b[0]) * (x·upᵀ + b[1]).
	GateUp(x Tensor, gate, up Weight, b [2]Weight, act Act) Tensor

	// Experts returns for each row the sum over its e.Used most probable experts of
	// p·down(act(x·gateᵀ) * (x·upᵀ)), p being softmax(logits) of that row:
	// [rows, hidden]. Without gate and up an expert is down alone. Of equal
	// probabilities the lower expert's counts as higher. The terms are added by
	// ascending expert, so that a row's result depends on no other row.
	// logits: [rows, experts]; it consumes them.
	Experts(x, logits Tensor, e *Experts) Tensor

	// RoPE rotates each head of dim columns by its row's position; it consumes x.
	RoPE(x Tensor, dim int, r *Rope) Tensor
	// StoreKV rounds k and v into the pages of the views. Views without a store
	// are skipped.
	StoreKV(layer int, k, v Tensor, views []KVView)
	// Attend returns softmax(scale·q·kᵀ + mask)·v per head. Keys and values come
	// from each view's pages, or where it has no store from k and v (their rows
	// are the batch's rows).
	Attend(layer int, q, k, v Tensor, views []KVView, m Mask) Tensor

	// Add returns x + y; it consumes x.
	Add(x, y Tensor) Tensor
	// Mul returns x * y; it consumes x. A y of one column multiplies whole rows.
	Mul(x, y Tensor) Tensor
	// Act returns a(x); it consumes x.
	Act(x Tensor, a Act) Tensor
	// Softmax returns the softmax of each row; it consumes x.
	Softmax(x Tensor) Tensor
	// Pool returns one row per view: the mean of its rows, or the first one.
	Pool(x Tensor, views []KVView, mean bool) Tensor
}
