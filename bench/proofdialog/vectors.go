package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/runtime/engine"
)

// embed fills the documents' vectors: of a turn the mean of its sentences'. They are
// kept in dir, so that a second run does not ask the encoder again.
func embed(ctx context.Context, encoder, dir string, threads int, docs []*document) (width int, err error) {
	m, err := engine.Open(encoder, engine.Options{Threads: threads})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if !m.Info().Encoder || m.Tokenizer() == nil {
		return 0, fmt.Errorf("%s is no encoder of texts", encoder)
	}
	width = m.Info().Hidden
	var all []string
	for _, d := range docs {
		for _, t := range d.turns {
			all = append(all, t...)
			d.words = append(d.words, len(strings.Fields(strings.Join(t, " "))))
		}
	}
	path := filepath.Join(dir, fmt.Sprintf("vectors-%d-%d.bin", len(all), width))
	x, err := os.ReadFile(path)
	if err != nil || len(x) != 4*width*len(all) {
		x = nil
		const group = 128
		for lo := 0; lo < len(all); lo += group {
			var ids [][]int32
			for _, s := range all[lo:min(lo+group, len(all))] {
				i, _, err := m.EmbedIDs(s)
				if err != nil {
					return 0, err
				}
				ids = append(ids, i[:min(len(i), 64)])
			}
			vecs, err := m.EmbedAll(ctx, ids)
			if err != nil {
				return 0, err
			}
			for _, v := range vecs {
				for _, f := range v {
					x = binary.LittleEndian.AppendUint32(x, math.Float32bits(f))
				}
			}
		}
		if err := os.WriteFile(path, x, 0o600); err != nil {
			return 0, err
		}
	}
	at := 0
	for _, d := range docs {
		for _, t := range d.turns {
			v := make([]float32, width)
			for range t {
				for k := range v {
					v[k] += math.Float32frombits(binary.LittleEndian.Uint32(x[at:]))
					at += 4
				}
			}
			unit(v)
			d.vec = append(d.vec, v)
		}
	}
	return width, nil
}

func unit(v []float32) {
	sum := 0.0
	for _, f := range v {
		sum += float64(f) * float64(f)
	}
	by := float32(1 / max(math.Sqrt(sum), 1e-12))
	for k := range v {
		v[k] *= by
	}
}
