package torch

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/convert/checkpoint"
	"github.com/qwq-edge/qwq/convert/safetensors"
	"github.com/qwq-edge/qwq/internal/testdata"
)

// readAll reads a tensor through ReadRows, two rows at a time with the smallest scratch.
func readAll(t *testing.T, x *checkpoint.Tensor) []byte {
	t.Helper()
	rows, cols := x.Matrix()
	rb := cols * int64(x.DType.Bytes())
	out := make([]byte, rows*rb)
	scratch := make([]byte, checkpoint.MinScratch)
	for lo := int64(0); lo < rows; lo += 2 {
		hi := min(rows, lo+2)
		if err := x.ReadRows(out[lo*rb:hi*rb], lo, hi, scratch); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// same compares a torch checkpoint's tensors with a safetensors file's.
func same(t *testing.T, got []*checkpoint.Tensor, st string) {
	t.Helper()
	want, err := safetensors.Open(st)
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	by := map[string]*checkpoint.Tensor{}
	for _, x := range got {
		by[x.Name] = x
	}
	if len(by) < len(want.Tensors()) {
		t.Errorf("%d tensors, want %d", len(by), len(want.Tensors()))
	}
	for _, w := range want.Tensors() {
		g := by[w.Name]
		if g == nil {
			t.Errorf("tensor %q is missing", w.Name)
			continue
		}
		if g.DType != w.DType || g.Len() != w.Len() || len(g.Shape) != len(w.Shape) {
			t.Errorf("%s: %v %v, want %v %v", w.Name, g.DType, g.Shape, w.DType, w.Shape)
			continue
		}
		if !bytes.Equal(readAll(t, g), readAll(t, w)) {
			t.Errorf("%s: content differs", w.Name)
		}
	}
}

func TestGoldens(t *testing.T) {
	for _, c := range []struct{ file, st string }{
		{"seed/pickles/dtypes_views.pt", "seed/pickles/dtypes_views.safetensors"},
		{"seed/pickles/dtypes_views_legacy.bin", "seed/pickles/dtypes_views.safetensors"},
		{"seed/moe_d64/model.pt", "seed/moe_d64/model.safetensors"},
		{"seed/moe_d64/model_legacy.bin", "seed/moe_d64/model.safetensors"},
		{"seed/moe_d32_kall/model.pt", "seed/moe_d32_kall/model.safetensors"},
		{"seed/dialog_d64/model.pt", "seed/dialog_d64/model.safetensors"},
		{"seed/dialog_d32_b1/model.pt", "seed/dialog_d32_b1/model.safetensors"},
		{"seed/multimodal_full/model.pt", "seed/multimodal_full/model.safetensors"},
		{"seed/qwq_d32/model.pt", "seed/qwq_d32/model.safetensors"},
		{"models/llama-tiny/checkpoint_bin/pytorch_model.bin", "models/llama-tiny/checkpoint/model.safetensors"},
	} {
		t.Run(c.file, func(t *testing.T) {
			path := testdata.Shared(t, "goldens", filepath.FromSlash(c.file))
			f, err := Open(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			ts, err := f.StateDict()
			if err != nil {
				t.Fatal(err)
			}
			same(t, ts, testdata.Shared(t, "goldens", filepath.FromSlash(c.st)))
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTrainingCheckpoint(t *testing.T) {
	f, err := Open(testdata.Shared(t, "goldens", "seed", "pickles", "training_checkpoint.pt"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zip.OpenReader(testdata.Shared(t, "goldens", "seed", "pickles", "expected.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all, err := f.Tensors()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]*checkpoint.Tensor{}
	for _, x := range all {
		by[x.Name] = x
	}
	for key, name := range map[string]string{
		"ckpt.weight":       "model_state_dict.weight",
		"ckpt.bias":         "model_state_dict.bias",
		"ckpt.exp_avg.0":    "optimizer_state_dict.state.0.exp_avg",
		"ckpt.exp_avg_sq.0": "optimizer_state_dict.state.0.exp_avg_sq",
		"ckpt.step.0":       "optimizer_state_dict.state.0.step",
	} {
		r, err := z.Open(key + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		want := b[10+int(b[8])+int(b[9])<<8:]
		if by[name] == nil {
			t.Errorf("tensor %q is missing", name)
		} else if !bytes.Equal(readAll(t, by[name]), want) {
			t.Errorf("%s differs", name)
		}
	}
	ts, err := f.StateDict()
	if err != nil || len(ts) != 2 || ts[0].Name != "weight" {
		t.Errorf("StateDict: %d tensors, %v; want weight and bias", len(ts), err)
	}
}

func TestUnsupportedGlobalIsNamed(t *testing.T) {
	_, err := Open(testdata.Shared(t, "goldens", "seed", "pickles", "unsupported_global.pt"), Options{})
	var g *GlobalError
	if !errors.As(err, &g) || g.Name != "posix.getpid" {
		t.Fatalf("got %v, want a GlobalError for posix.getpid", err)
	}
}

// TestDeflated repacks a zip with compression: the storages are spooled, and
// nothing is left in the folder.
func TestDeflated(t *testing.T) {
	src := testdata.Shared(t, "goldens", "seed", "pickles", "dtypes_views.pt")
	path := repack(t, src, func(string) uint16 { return zip.Deflate }, nil)
	dir := t.TempDir()
	f, err := Open(path, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ts, err := f.StateDict()
	if err != nil {
		t.Fatal(err)
	}
	same(t, ts, testdata.Shared(t, "goldens", "seed", "pickles", "dtypes_views.safetensors"))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 0 {
		t.Errorf("%d files left in the spool folder", len(left))
	}
}

// repack writes the members of a zip file anew; edit may change or drop (nil) one.
func repack(t testing.TB, src string, method func(string) uint16, edit func(name string, b []byte) []byte) string {
	t.Helper()
	z, err := zip.OpenReader(src)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	path := filepath.Join(t.TempDir(), "repacked.pt")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := zip.NewWriter(out)
	for _, m := range z.File {
		r, err := m.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if edit != nil {
			if b = edit(m.Name, b); b == nil {
				continue
			}
		}
		mw, err := w.CreateHeader(&zip.FileHeader{Name: m.Name, Method: method(m.Name)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mw.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func stored(string) uint16 { return zip.Store }

func TestDamagedZips(t *testing.T) {
	src := testdata.Shared(t, "goldens", "seed", "pickles", "dtypes_views.pt")
	for _, c := range []struct {
		name, want string
		edit       func(name string, b []byte) []byte
	}{
		{"no pickle", "no torch checkpoint", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "data.pkl") {
				return nil
			}
			return b
		}},
		{"storage missing", "is missing", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "data/0") {
				return nil
			}
			return b
		}},
		{"storage short", "its tensors need 192", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "data/0") {
				return b[:100]
			}
			return b
		}},
		{"big endian", "little-endian", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "byteorder") {
				return []byte("big")
			}
			return b
		}},
		{"pickle cut", "ends early", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "data.pkl") {
				return b[:len(b)/2]
			}
			return b
		}},
		{"TorchScript", "TorchScript", func(n string, b []byte) []byte {
			if strings.HasSuffix(n, "version") {
				return b
			}
			return b
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := repack(t, src, stored, c.edit)
			if c.name == "TorchScript" {
				path = renameMember(t, path, "byteorder", "constants.pkl")
			}
			_, err := Open(path, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func renameMember(t *testing.T, path, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "renamed.pt")
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := zip.NewWriter(f)
	for _, m := range z.File {
		r, _ := m.Open()
		b, _ := io.ReadAll(r)
		mw, _ := w.CreateHeader(&zip.FileHeader{Name: strings.Replace(m.Name, from, to, 1), Method: zip.Store})
		if _, err := mw.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTruncated(t *testing.T) {
	for _, name := range []string{"dtypes_views.pt", "dtypes_views_legacy.bin"} {
		b, err := os.ReadFile(testdata.Shared(t, "goldens", "seed", "pickles", name))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(b); n += 7 {
			f, err := Read(bytes.NewReader(b[:n]), int64(n), name, Options{})
			if err == nil {
				f.Close()
				t.Errorf("%s cut to %d of %d bytes was accepted", name, n, len(b))
			}
		}
	}
}
