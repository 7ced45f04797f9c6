package safety

import (
	_ "embed"
	"fmt"
	"math"
	"math/bits"
	"sync"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

// A linear classifier's file: a GGUF with this architecture, the bias under its key and
// one tensor of a weight per bucket.
const (
	Architecture = "qwq-toxicity"
	KeyBias      = Architecture + ".bias"
	KeyFeatures  = Architecture + ".features" // revision of Features that it was trained on
	WeightName   = "weight"
	Revision     = 1

	leastBits, mostBits = 8, 24
)

// Linear is a logistic regression over Features:
//
//	score = sigmoid(bias + Σ weight[f] / √n)   f: the n features of a window
type Linear struct {
	Weight []float32 // a power of two of them
	Bias   float32
}

// Bits is the logarithm of the number of buckets.
func (l *Linear) Bits() int { return bits.Len(uint(len(l.Weight))) - 1 }

// Score implements Classifier. A window without features scores 0.
func (l *Linear) Score(window string) float64 {
	f := Features(window, l.Bits())
	if len(f) == 0 {
		return 0
	}
	return l.Of(f)
}

// Of is the score of features.
func (l *Linear) Of(features []uint32) float64 {
	var sum float32
	for _, f := range features {
		sum += l.Weight[f]
	}
	x := float64(l.Bias) + float64(sum)/math.Sqrt(float64(max(1, len(features))))
	return 1 / (1 + math.Exp(-x))
}

//go:embed toxicity.gguf
var embedded []byte

// Embedded is the classifier inside the program, which bench/proofsafety has trained.
var Embedded = sync.OnceValues(func() (*Linear, error) {
	f, err := gguf.Parse(embedded)
	if err != nil {
		return nil, err
	}
	return NewLinear(f)
})

// NewLinear reads a classifier; its weights are copied.
func NewLinear(f *gguf.File) (*Linear, error) {
	if a := f.Arch(); a != Architecture {
		return nil, fmt.Errorf("safety: general.architecture is %.40q, want %q", a, Architecture)
	}
	if v, ok := f.Uint(KeyFeatures); !ok || v != Revision {
		return nil, fmt.Errorf("safety: %s is %d, this program has %d", KeyFeatures, v, Revision)
	}
	bias, ok := f.Float(KeyBias)
	if !ok || math.IsNaN(bias) || math.IsInf(bias, 0) {
		return nil, fmt.Errorf("safety: %s is missing or no number", KeyBias)
	}
	t := f.Tensor(WeightName)
	if t == nil {
		return nil, fmt.Errorf("safety: tensor %q is missing", WeightName)
	}
	m, err := t.Matrix()
	if err != nil {
		return nil, err
	}
	n := m.Rows * m.Cols
	if m.Rows != 1 || bits.OnesCount(uint(n)) != 1 || n < 1<<leastBits || n > 1<<mostBits {
		return nil, fmt.Errorf("safety: tensor %q is %d x %d, want 1 row of a power of two between 2^%d and 2^%d", WeightName, m.Rows, m.Cols, leastBits, mostBits)
	}
	l := &Linear{Weight: make([]float32, n), Bias: float32(bias)}
	if err := quant.Decode(m.Type, l.Weight, m.Data); err != nil {
		return nil, err
	}
	if i := quant.FirstNonFinite(l.Weight); i >= 0 {
		return nil, fmt.Errorf("safety: weight %d is not finite", i)
	}
	return l, nil
}

// Write makes the classifier's file of Q8_0 weights.
func (l *Linear) Write(path string) error {
	n := len(l.Weight)
	size, ok := quant.Q8_0.RowBytes(n)
	if !ok {
		return fmt.Errorf("safety: %d weights are no row of Q8_0", n)
	}
	b := make([]byte, size)
	if err := quant.Encode(quant.Q8_0, b, l.Weight); err != nil {
		return err
	}
	w, err := gguf.Create(path, gguf.Layout{
		KVs: []gguf.KV{
			{Key: "general.architecture", Value: gguf.String(Architecture)},
			{Key: KeyFeatures, Value: gguf.Uint32(Revision)},
			{Key: KeyBias, Value: gguf.Float32(l.Bias)},
		},
		Tensors: []gguf.TensorInfo{{Name: WeightName, Type: quant.Q8_0, Dims: []uint64{uint64(n)}}},
	}, true)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.WriteAt(0, 0, b); err != nil {
		return err
	}
	return w.Commit()
}
