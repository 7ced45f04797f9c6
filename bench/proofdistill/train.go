package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/qwq-edge/qwq/distill/pipeline"
	"github.com/qwq-edge/qwq/distill/recipe"
)

// proof is all arms in their folders: OUT/seed-N is the first arm of a seed, which samples
// the text; the others share its files.
type proof struct {
	base, out string
	start     map[uint64]string // hash of the pruned start, by seed
}

func (x *proof) folder(seed uint64, name string) string {
	return filepath.Join(x.out, fmt.Sprintf("seed-%d", seed), name)
}

// train runs the stages up to the student, and scores it.
func (x *proof) train(ctx context.Context, a arm) (result, error) {
	shared := x.folder(a.seed, "")
	if _, err := x.stages(ctx, a, shared, "plan", "data", "cache"); err != nil {
		return result{}, err
	}
	dir := filepath.Join(shared, a.name)
	began := time.Now()
	if err := link(shared, dir, "plan.json", "teacher.gguf", "data", "cache", "state"); err != nil {
		return result{}, err
	}
	worked, err := x.stages(ctx, a, dir, "cache", "init", "train")
	if err != nil {
		return result{}, fmt.Errorf("%s: %w", dir, err)
	}
	if err := x.same(a.seed, filepath.Join(dir, "start.gguf")); err != nil {
		return result{}, err
	}
	r, err := x.score(ctx, a.seed, filepath.Join(dir, "student.gguf"))
	if worked && err == nil {
		fmt.Fprintf(os.Stderr, "proofdistill: seed %d, %s: %.4f nats a token, %.0f s\n", a.seed, a.name, r.mean(), time.Since(began).Seconds())
	}
	return r, err
}

// stages runs those of an arm's stages that have no record in dir.
func (x *proof) stages(ctx context.Context, a arm, dir string, names ...string) (worked bool, err error) {
	for _, s := range names {
		if _, err := os.Stat(filepath.Join(dir, "state", s+".json")); err == nil {
			continue
		}
		r, err := recipe.Open(x.base)
		if err != nil {
			return false, err
		}
		r.Out, r.Seed, r.Baseline.Hard = dir, a.seed, false
		if dir != x.folder(a.seed, "") { // the shared stages are the recipe's own
			r.Loss.Soft, r.Loss.Hard, r.Loss.Temperature = &a.spec.Soft, &a.spec.Hard, a.spec.Temperature
			r.Loss.Kind, r.Loss.Reduction = a.spec.Kind, a.spec.Reduction
			r.Train.FinalLR *= a.lr / r.Train.LR
			r.Train.LR, r.Cache.Live = a.lr, a.live
		}
		p, err := pipeline.New(r, pipeline.Options{Only: s})
		if err == nil {
			err = p.Run(ctx)
		}
		if err != nil {
			return false, err
		}
		worked = true
	}
	return worked, nil
}

// link makes dir share files of another folder: what a stage writes anew replaces the name.
func link(from, dir string, names ...string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, n := range names {
		err := filepath.WalkDir(filepath.Join(from, n), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			to := filepath.Join(dir, rel)
			switch {
			case d.IsDir():
				return os.MkdirAll(to, 0o777)
			case d.Name() == "lock" || d.Name() == "cache.json": // an arm makes its own cache stage, of the same parts
				return nil
			}
			if err := os.Link(path, to); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
