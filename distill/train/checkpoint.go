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

// sections are the arrays of a checkpoint in their order.
func (t *Trainer) sections() [][]float32 {
	s := [][]float32{t.params.Flat, t.state.M, t.state.V}
	if t.average != nil {
		s = append(s, t.average)
	}
	return s
}

// save writes the checkpoint of rank 0; the others hold the same.
func (t *Trainer) save() error {
	if t.opt.Dir == "" || t.opt.Exchanger.Rank() != 0 {
		return nil
	}
	h, err := json.Marshal(header{
		Step: t.step, Updates: t.state.Steps, Rung: t.rung(), ID: hex.EncodeToString(t.opt.ID[:]),
		Values: len(t.params.Flat), Average: t.average != nil, Scaler: t.scaler, Params: t.params.Table,
	})
	if err != nil {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	return replace(t.Path(), func(f *os.File) error {
		sum := sha256.New()
		w := io.MultiWriter(f, sum)
		if _, err := w.Write(append(binary.LittleEndian.AppendUint64([]byte(checkpointMagic), uint64(len(h))), h...)); err != nil {
			return err
		}
		buf := make([]byte, 1<<18)
		for _, x := range t.sections() {
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
	if _, err := f.Seek(16+int64(n), io.SeekStart); err != nil {
		return fail("%w", err)
	}
	for _, x := range sections {
		if err := readFloats(f, x); err != nil {
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
