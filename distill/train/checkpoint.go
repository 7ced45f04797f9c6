package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/qwq-edge/qwq/distill/optim"
	"github.com/qwq-edge/qwq/distill/tape"
)

// A checkpoint is one file:
//
//	0   8  "QWQTRAIN"
//	8   8  n, length of the header, little endian
//	16  n  header, JSON
//	…      float32 values, little endian: parameters, first and second moments,
//	       and with an average the average, Values each
//	…  32  SHA-256 of all before
//
// The data cursor and every random number are functions of the step (Source), so
// the step stands for them.
const checkpointMagic = "QWQTRAIN"

// maxHeader bounds the header that is read.
const maxHeader = 1 << 26

type header struct {
	Step    int          `json:"step"`
	Updates int          `json:"updates"` // of the optimizer
	Rung    string       `json:"rung"`    // of the kernels
	ID      string       `json:"id"`
	Values  int          `json:"values"`
	Average bool         `json:"average"`
	Scaler  optim.Scaler `json:"scaler"`
	Params  []tape.Param `json:"params"`
}

// ErrRung is a checkpoint of another kernel rung.
var ErrRung = errors.New("train: the checkpoint is of another kernel rung")

// rung names what the bits of a step depend on besides its inputs.
func (t *Trainer) rung() string { return t.pool.Variant() + "/" + t.pool.GemmRung() }

// Path is the checkpoint's file.
func (t *Trainer) Path() string { return filepath.Join(t.opt.Dir, "checkpoint") }

// section is one array of a checkpoint. Of values [Values] the process holds
// part, from lo on.
type section struct {
	part []float32
	lo   int
}

// sections are the arrays of a checkpoint in their order.
func (t *Trainer) sections() []section {
	s := []section{{t.params.Flat, 0}, {t.state.M, t.state.Lo}, {t.state.V, t.state.Lo}}
	if t.average != nil {
		s = append(s, section{t.average, 0})
	}
	return s
}

// whole is all values of s, in the gradient's buffer where the process holds only
// a part. All processes call it together.
func (t *Trainer) whole(s section) ([]float32, error) {
	if len(s.part) == len(t.params.Flat) {
		return s.part, nil
	}
	x := t.tree[0]
	return x, t.ranks.gather(x, func(lo, hi int) { copy(x[lo:hi], s.part[lo-s.lo:]) }, nil)
}

func (t *Trainer) header() ([]byte, error) {
	h, err := json.Marshal(header{
		Step: t.step, Updates: t.state.Steps, Rung: t.rung(), ID: hex.EncodeToString(t.opt.ID[:]),
		Values: len(t.params.Flat), Average: t.average != nil, Scaler: t.scaler, Params: t.params.Table,
	})
	if err != nil {
		return nil, fmt.Errorf("train: checkpoint: %w", err)
	}
	return h, nil
}

// agree makes sure that all processes are where this one is.
func (t *Trainer) agree() error {
	if t.ranks.size == 1 {
		return nil
	}
	h, err := t.header()
	if err != nil {
		return err
	}
	sum := sha256.New()
	for _, b := range [][]byte{h, raw(t.params.Flat), fmt.Appendf(nil, "%d %d %d %v %v", t.opt.Steps, t.opt.Every, t.opt.Leaves, t.opt.ShardOptimizer, t.opt.Dir != "")} {
		if _, err := sum.Write(b); err != nil {
			return err
		}
	}
	return t.ranks.agree([32]byte(sum.Sum(nil)))
}

// save writes the checkpoint on rank 0. The others send what it lacks.
func (t *Trainer) save() error {
	if t.opt.Dir == "" {
		return nil
	}
	if t.ranks.rank != 0 {
		for _, s := range t.sections() {
			if _, err := t.whole(s); err != nil {
				return err
			}
		}
		return nil
	}
	h, err := t.header()
	if err != nil {
		return err
	}
	return replace(t.Path(), func(f *os.File) error {
		sum := sha256.New()
		w := io.MultiWriter(f, sum)
		if _, err := w.Write(append(binary.LittleEndian.AppendUint64([]byte(checkpointMagic), uint64(len(h))), h...)); err != nil {
			return err
		}
		buf := make([]byte, 1<<18)
		for _, s := range t.sections() {
			x, err := t.whole(s)
			if err != nil {
				return err
			}
			for len(x) > 0 {
				n := min(len(x), len(buf)/4)
				for i, v := range x[:n] {
					binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
				}
				if _, err := w.Write(buf[:4*n]); err != nil {
					return err
				}
				x = x[n:]
			}
		}
		_, err := f.Write(sum.Sum(nil))
		return err
	})
}

// Resume goes to the checkpoint in Options.Dir. os.ErrNotExist: there is none.
// ErrRung: it is of another rung, see Options.AllowRungChange. The whole file is
// checked before anything changes, so that an error leaves the run as it was.
func (t *Trainer) Resume() error {
	f, err := os.Open(t.Path())
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	defer f.Close()
	fail := func(format string, a ...any) error {
		return fmt.Errorf("train: checkpoint %s: %w", f.Name(), fmt.Errorf(format, a...))
	}
	st, err := f.Stat()
	if err != nil {
		return fail("%w", err)
	}
	sum := sha256.New()
	r := io.TeeReader(f, sum)
	var head [16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil || string(head[:8]) != checkpointMagic {
		return fail("no checkpoint")
	}
	n := binary.LittleEndian.Uint64(head[8:])
	if n > maxHeader || int64(n) > st.Size() {
		return fail("header of %d bytes in a file of %d", n, st.Size())
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return fail("%w", err)
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return fail("%w", err)
	}
	sections := t.sections()
	want := 16 + int64(n) + 4*int64(len(sections))*int64(len(t.params.Flat)) + sha256.Size
	switch {
	case h.ID != hex.EncodeToString(t.opt.ID[:]):
		return fail("is of another run: %s, this one is %x", h.ID, t.opt.ID)
	case h.Values != len(t.params.Flat) || !slices.Equal(h.Params, t.params.Table):
		return fail("has other parameters: %d values in %d, the model has %d in %d", h.Values, len(h.Params), len(t.params.Flat), len(t.params.Table))
	case h.Average != (t.average != nil):
		return fail("moving average is %v, wanted is %v", h.Average, t.average != nil)
	case h.Step < 0 || h.Updates < 0 || h.Updates > h.Step || h.Step > t.opt.Steps:
		return fail("%d updates in %d of %d steps", h.Updates, h.Step, t.opt.Steps)
	case st.Size() != want:
		return fail("has %d bytes, want %d", st.Size(), want)
	case h.Rung != t.rung() && !t.opt.AllowRungChange:
		return fail("%w: %s, this machine runs %s", ErrRung, h.Rung, t.rung())
	}
	if err := verify(f, r, sum); err != nil {
		return fail("%w", err)
	}
	for i, s := range sections {
		if _, err := f.Seek(16+int64(n)+4*(int64(i)*int64(h.Values)+int64(s.lo)), io.SeekStart); err != nil {
			return fail("%w", err)
		}
		if err := readFloats(f, s.part); err != nil {
			return fail("%w", err)
		}
	}
	t.step, t.state.Steps, t.scaler = h.Step, h.Updates, h.Scaler
	return nil
}

// verify reads the rest of the file but its sum through r and compares the sum.
func verify(f *os.File, r io.Reader, sum hash.Hash) error {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, r, st.Size()-sha256.Size-at); err != nil {
		return err
	}
	var want [sha256.Size]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return err
	}
	if !bytes.Equal(want[:], sum.Sum(nil)) {
		return errors.New("the checksum differs")
	}
	return nil
}

func readFloats(r io.Reader, x []float32) error {
	buf := make([]byte, 1<<18)
	for len(x) > 0 {
		n := min(len(x), len(buf)/4)
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return err
		}
		for i := range x[:n] {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		x = x[n:]
	}
	return nil
}

// replace writes path under a temporary name in its folder and renames it when it
// is complete and durable. What a killed process left is overwritten.
func replace(path string, write func(*os.File) error) error {
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(filepath.Clean(dir), 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	tmp := filepath.Join(dir, "."+name+".tmp")
	f, err := os.Create(tmp)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("train: write %s: %w", path, errors.Join(err, os.Remove(tmp)))
	}
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
