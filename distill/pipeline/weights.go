package pipeline

import (
	"encoding/binary"
	"math"

	"github.com/qwq-edge/qwq/distill/tape"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/quant"
)

// writeWeights writes a trained student: start with the values of flat, which has
// the layout of params, in place of its own. What was not trained is copied.
func writeWeights(path string, start *gguf.File, params *tape.Params, flat []float32) error {
	values := map[string][]float32{}
	for i, e := range params.Table {
		values[e.Name] = params.Of(flat, i)
	}
	l := gguf.Layout{KVs: start.KVs()}
	for _, t := range start.Tensors() {
		i := gguf.TensorInfo{Name: t.Name, Type: t.Type, Dims: t.Dims}
		if values[t.Name] != nil {
			i.Type = quant.F32
		}
		l.Tensors = append(l.Tensors, i)
	}
	w, err := gguf.Create(path, l, true)
	if err != nil {
		return err
	}
	defer w.Abort()
	for i, t := range start.Tensors() {
		b, err := t.Data()
		if err != nil {
			return err
		}
		if v := values[t.Name]; v != nil {
			b = make([]byte, 0, 4*len(v))
			for _, x := range v {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
			}
		}
		if err := w.WriteAt(i, 0, b); err != nil {
			return err
		}
	}
	return w.Commit()
}
