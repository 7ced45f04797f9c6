package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRegressions(t *testing.T) {
	k := key{"small", "Q8_0", "decode", "max"}
	rows := []row{{k, counts{"a": 900, "b": 121}}} // 1021: 2.1 % above 1000
	path := filepath.Join(t.TempDir(), "expected.txt")
	want, err := readExpected(path)
	if err != nil || len(want) != 0 {
		t.Fatalf("no file: got %v, %v", want, err)
	}
	if err := regressions(rows, want); err == nil || !strings.Contains(err.Error(), "no record") {
		t.Errorf("without a record: got %v", err)
	}
	if err := writeExpected(path, want, rows); err != nil {
		t.Fatal(err)
	}
	if want, err = readExpected(path); err != nil || want[k] != 1021 {
		t.Fatalf("got %v, %v", want, err)
	}
	for n, bad := range map[float64]bool{1021: false, 1002: false, 1000: true, 2000: false} {
		want[k] = n
		if err := regressions(rows, want); (err != nil) != bad {
			t.Errorf("recorded %v: got %v", n, err)
		}
	}
	if err := os.WriteFile(path, []byte("small Q8_0 decode max many\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readExpected(path); err == nil {
		t.Error("a line without a count is taken")
	}
}

func TestRecordsComplete(t *testing.T) {
	want, err := readExpected("expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	for k := range peer {
		if want[k] == 0 {
			t.Errorf("%v has a peer's figure and no record", k)
		}
	}
}

func TestClassOf(t *testing.T) {
	const root = "github.com/qwq-edge/qwq/"
	for symbol, want := range map[string]string{
		root + "arm.gemvQ8_0DotProd.abi0":            "matrices",
		root + "arm.packQ4_KNEON.abi0":               "matrices",
		root + "internal/kernel.(*worker).integers":  "matrices",
		root + "arm.quantizeNEON.abi0":               "quantization",
		root + "arm.productsNEON.abi0":               "attention",
		root + "internal/kernel.(*Pool).attendItems": "attention",
		root + "arm.siluMulNEON.abi0":                "norms, RoPE, activation",
		root + "runtime/sample.(*Sampler).greedy":    rest,
		"runtime.mallocgc":                           rest,
	} {
		if got := classOf(symbol); got != want {
			t.Errorf("%s: got %q, want %q", symbol, got, want)
		}
	}
}

// TestLoops finds the larger of two inner loops, not the one around them.
func TestLoops(t *testing.T) {
	loops, err := loopsOf(strings.NewReader(`
0000000000001000 <github.com/qwq-edge/qwq/arm.x.abi0>:
    1000: movi v0.16b, #0
    1004: add v0.4s, v0.4s, v1.4s
    1008: subs x1, x1, #1
    100c: b.ne 0x1004 <github.com/qwq-edge/qwq/arm.x.abi0+0x4>
    1010: sub v0.4s, v0.4s, v1.4s
    1014: b.ne 0x1010 <github.com/qwq-edge/qwq/arm.x.abi0+0x10>
    1018: b.ne 0x1000 <github.com/qwq-edge/qwq/arm.x.abi0>
    101c: ret
`))
	if err != nil || len(loops["x"]) != 3 || !strings.HasPrefix(loops["x"][0], "add") {
		t.Errorf("got %q, %v", loops, err)
	}
}
