package torch

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"
)

// tensorOf builds the pickle of one tensor "w" of a FloatStorage of numel
// elements: off, size and stride are opcodes.
func tensorOf(numel, off, size, stride string) string {
	return "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu" +
		numel + "tQ" + off + size + stride + "\x89ccollections\nOrderedDict\n)RtRs."
}

func TestPickles(t *testing.T) {
	for _, c := range []struct{ name, pickle, want string }{
		{"good", tensorOf("K\x06", "K\x00", "K\x02K\x03\x86", "K\x03K\x01\x86"), ""},
		{"past the storage", tensorOf("K\x06", "K\x01", "K\x02K\x03\x86", "K\x03K\x01\x86"), "reaches past"},
		{"negative size", tensorOf("K\x06", "K\x00", "J\xff\xff\xff\xffK\x03\x86", "K\x03K\x01\x86"), "not possible"},
		{"negative stride", tensorOf("K\x06", "K\x00", "K\x02K\x03\x86", "J\xff\xff\xff\xffK\x01\x86"), "not possible"},
		{"negative offset", tensorOf("K\x06", "J\xff\xff\xff\xff", "K\x02K\x03\x86", "K\x03K\x01\x86"), "offset"},
		{"size 2^62", tensorOf("K\x06", "K\x00", "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40K\x03\x86", "K\x03K\x01\x86"), "not possible"},
		{"numel 2^62", tensorOf("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40", "K\x00", "K\x02\x85", "K\x01\x85"), "elements"},
		{"numel negative", tensorOf("J\xff\xff\xff\xff", "K\x00", "K\x02\x85", "K\x01\x85"), "elements"},
		{"rank mismatch", tensorOf("K\x06", "K\x00", "K\x02K\x03\x86", "K\x01\x85"), "not possible"},
		{"empty", "", "ends early"},
		{"stack underflow", "\x80\x02.", "stack is empty"},
		{"mark missing", "\x80\x02t.", "no mark"},
		{"memo missing", "\x80\x02h\x05.", "memo 5"},
		{"string of 4 GiB", "\x80\x02X\xff\xff\xff\xff.", "limit"},
		{"string past the end", "\x80\x02X\x10\x00\x00\x00ab", "ends early"},
		{"protocol 9", "\x80\x09N.", "protocol 9"},
		{"opcode INST", "\x80\x02(ios\nsystem\n.", "opcode 0x69"},
		{"opcode OBJ", "\x80\x02(cos\nsystem\no.", `"os.system"`},
		{"EXT1", "\x80\x02\x82\x01.", "opcode 0x82"},
		{"os.system", "\x80\x02cos\nsystem\nX\x02\x00\x00\x00lstR.", `"os.system"`},
		{"eval by STACK_GLOBAL", "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", `"builtins.eval"`},
		{"getattr", "\x80\x02cbuiltins\ngetattr\n.", `"builtins.getattr"`},
		{"load_from_bytes", "\x80\x02ctorch.storage\n_load_from_bytes\n.", `"torch.storage._load_from_bytes"`},
		{"storage in another module", "\x80\x02cevil\nFloatStorage\n.", `"evil.FloatStorage"`},
		{"call of a string", "\x80\x02X\x01\x00\x00\x00a)R.", "call of a string with a tuple"},
		{"NEWOBJ of a class", "\x80\x02cos\nPathLike\n)\x81.", `"os.PathLike"`},
		{"bad persistent id", "\x80\x02K\x01Q.", "persistent id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := unpickle(bufio.NewReader(strings.NewReader(c.pickle)))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestKind: messages speak of Python's objects, not of Go's types.
func TestKind(t *testing.T) {
	for _, v := range []value{nil, true, "s", []byte("b"), int64(1), 1.5, tuple{}, &list{}, &set{}, newDict(), global("collections Counter"), mark{}, other("a device"), dtype(1), &storage{}, &tensor{}} {
		if k := kind(v); k == "" || k == "an object" || strings.ContainsAny(k, "*.") {
			t.Errorf("%T is called %q", v, k)
		}
	}
}

// TestBombs: small pickles that stand for immense or endless objects.
func TestBombs(t *testing.T) {
	laughs := "\x80\x02]q\x00" // each level holds the one before ten times
	for range 12 {
		laughs += "]q\x01(" + strings.Repeat("h\x00", 10) + "eq\x00"
	}
	cycle := "\x80\x02]q\x00h\x00a."
	deep := "\x80\x02N" + strings.Repeat("\x85", 100000) + "."
	for name, p := range map[string]string{"laughs": laughs + ".", "cycle": cycle, "deep": deep} {
		v, _, err := unpickle(bufio.NewReader(strings.NewReader(p)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := walk(v, func(string, *tensor) error { return nil }); err == nil {
			t.Errorf("%s: walked to the end", name)
		}
	}
	if _, _, err := unpickle(bufio.NewReader(strings.NewReader("\x80\x02" + strings.Repeat("}", 3<<20)))); err == nil {
		t.Error("three million dicts were accepted")
	}
}

func FuzzUnpickle(f *testing.F) {
	f.Add([]byte(tensorOf("K\x06", "K\x00", "K\x02K\x03\x86", "K\x03K\x01\x86")))
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02e."))
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\n)R(U\x01aI01\nU\x01bF1.5\nU\x01cL12L\nu."))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n, err := unpickle(bufio.NewReader(bytes.NewReader(b)))
		if n > int64(len(b)) {
			t.Fatalf("read %d of %d bytes", n, len(b))
		}
		if err == nil {
			_ = walk(v, func(_ string, x *tensor) error {
				if x.check() != nil {
					t.Fatal("an unchecked tensor came out")
				}
				return nil
			})
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"tiny.pt", "tiny_legacy.bin"} {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := Read(bytes.NewReader(b), int64(len(b)), "fuzz", Options{Dir: t.TempDir()})
		if err != nil {
			return
		}
		defer x.Close()
		ts, err := x.Tensors()
		if err != nil {
			return
		}
		buf, scratch := make([]byte, 1<<20), make([]byte, 4096)
		for _, ten := range ts {
			rows, cols := ten.Matrix()
			if n := cols * int64(ten.DType.Bytes()); rows > 0 && n <= int64(len(buf)) {
				if err := ten.ReadRows(buf[:n], 0, 1, scratch); err != nil {
					t.Fatalf("%s %v %v: %v", ten.Name, ten.Shape, ten.Strides, err)
				}
			}
		}
	})
}
