package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
)

// result is what held-out text says of a model, by row of text.
type result struct {
	Nats   []float64 `json:"nats"`
	Tokens []int     `json:"tokens"`
}

// mean is nats a token.
func (r result) mean() float64 {
	nats, n := 0.0, 0
	for i, v := range r.Nats {
		nats, n = nats+v, n+r.Tokens[i]
	}
	return nats / float64(n)
}

// same checks that all arms of a seed begin with the same bits.
func (x *proof) same(seed uint64, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(b))
	if old := x.start[seed]; old != "" && old != sum {
		return fmt.Errorf("%s: another start than the other arms of seed %d", path, seed)
	}
	x.start[seed] = sum
	return nil
}

// score measures a model once; the result is kept beside it.
func (x *proof) score(ctx context.Context, seed uint64, path string) (r result, err error) {
	kept := path + ".score.json"
	if b, err := os.ReadFile(kept); err == nil {
		return r, json.Unmarshal(b, &r)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	rows, err := data.Open(filepath.Join(x.folder(seed, ""), "data", "held-out"))
	if err != nil {
		return r, err
	}
	defer rows.Close()
	m, err := teacher.Open(path, teacher.Options{Threads: 1})
	if err != nil {
		return r, err
	}
	defer m.Close()
	v := rows.View(data.Train)
	var b distill.Batch
	for i := range v.Rows() {
		if err := v.Batch([]int{i}, &b); err != nil {
			return r, err
		}
		var said distill.Targets
		if err := m.Score(ctx, &b, 0, len(b.IDs), &said); err != nil {
			return r, err
		}
		nats, n := 0.0, 0
		for p, next := range b.Next {
			if next >= 0 {
				nats, n = nats+surprise(said.Dense[p*said.Vocab:(p+1)*said.Vocab], next), n+1
			}
		}
		r.Nats, r.Tokens = append(r.Nats, nats), append(r.Tokens, n)
	}
	text, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	if err := os.WriteFile(kept+".tmp", text, 0o666); err != nil {
		return r, err
	}
	return r, os.Rename(kept+".tmp", kept)
}

// surprise is -log softmax(z)[id].
func surprise(z []float32, id int32) float64 {
	top, sum := math.Inf(-1), 0.0
	for _, v := range z {
		top = max(top, float64(v))
	}
	for _, v := range z {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum) - float64(z[id])
}
