package convert

import (
	"math"
	"strings"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/gguf/arch"
)

// noID is a token id that means none.
const noID = math.MaxUint32

// checkGGUF refuses metadata that makes no sense and, for an architecture that
// is known, what the loader would refuse: a file made from it would not run.
// The sizes are zero for any other architecture.
func checkGGUF(f *gguf.File) (arch.Hyper, error) {
	var h arch.Hyper
	ids := math.MaxInt
	if arch.IsModule(f) {
		_, err := arch.ReadModule(f)
		return h, err
	}
	if _, known := arch.Lookup(f.Arch()); known {
		var err error
		if h, err = arch.ReadHyper(f); err != nil {
			return arch.Hyper{}, err
		}
		if err := h.Arch.CheckFile(f, h); err != nil {
			return arch.Hyper{}, err
		}
		ids = h.Vocab
	}
	if v, ok := f.Get("tokenizer.ggml.tokens"); ok {
		if n := v.Len(); n > ids {
			return arch.Hyper{}, f.Errorf("tokenizer.ggml.tokens", "%d tokens, the embedding has %d rows", n, ids)
		} else if h.Arch == nil {
			ids = n
		}
	}
	for _, kv := range f.KVs() {
		switch {
		case strings.HasPrefix(kv.Key, "general.sampling."):
			if x, ok := kv.Value.Float(); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
				return arch.Hyper{}, f.Errorf(kv.Key, "is %v, want a finite number", x)
			}
		case strings.HasPrefix(kv.Key, "tokenizer.ggml.") && strings.HasSuffix(kv.Key, "_token_id"):
			n, isInt := kv.Value.Int()
			if u, ok := kv.Value.Uint(); !isInt && !ok {
				return arch.Hyper{}, f.Errorf(kv.Key, "is %.200v, want a token id", kv.Value)
			} else if ok && u == noID || isInt && n == -1 {
				continue
			} else if !ok || u >= uint64(ids) {
				return arch.Hyper{}, f.Errorf(kv.Key, "is %v, there are ids 0 to %d", kv.Value, ids-1)
			}
		}
	}
	return h, nil
}
