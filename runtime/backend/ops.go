package backend

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
	// Mul returns x * y; it consumes x.
	Mul(x, y Tensor) Tensor
	// Act returns a(x); it consumes x.
	Act(x Tensor, a Act) Tensor
	// Softmax returns the softmax of each row; it consumes x.
	Softmax(x Tensor) Tensor
}
