package asmgen

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwq-edge/qwq/internal/testdata"
)

var update = flag.Bool("update", false, "rewrite the generated files")

func TestFilesAreCurrent(t *testing.T) {
	root := testdata.Root(t)
	for name, want := range Files() {
		path := filepath.Join(root, name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s is not what the generator writes (run with -update), -want +got:\n%s", name, d)
		}
	}
}

// every calls all methods that take only registers and numbers, with registers
// at the ends of the range, so that no encoding is tested with those alone that
// some kernel uses.
func every() []byte {
	var a Arm64
	v := reflect.ValueOf(&a)
	for i := range v.NumMethod() {
		m := v.Method(i)
		for _, first := range []int{0, 1, 15, 30, 31} {
			var args []reflect.Value
			for j := range m.Type().NumIn() {
				switch m.Type().In(j) {
				case reflect.TypeFor[V]():
					args = append(args, reflect.ValueOf(V((first+7*j)%32)))
				case reflect.TypeFor[int]():
					args = append(args, reflect.ValueOf(1+first%3))
				}
			}
			if len(args) > 0 && len(args) == m.Type().NumIn() && !m.Type().IsVariadic() {
				m.Call(args)
			}
		}
	}
	return a.Bytes()
}

var wordLine = regexp.MustCompile(`WORD \$0x([0-9a-f]{8}) // (.*)`)

// words returns every raw word with the mnemonic beside it.
func words(text []byte) (list [][2]string) {
	for _, m := range wordLine.FindAllSubmatch(text, -1) {
		list = append(list, [2]string{string(m[1]), string(m[2])})
	}
	return list
}

func TestNoWordWithoutMnemonic(t *testing.T) {
	for name, text := range Files() {
		if got, want := len(words(text)), bytes.Count(text, []byte("WORD")); got != want {
			t.Errorf("%s: %d of %d words have a mnemonic", name, got, want)
		}
	}
}

func TestWordsDecode(t *testing.T) {
	mc, err := exec.LookPath("llvm-mc")
	if err != nil {
		t.Skip("llvm-mc (Debian package llvm) is missing")
	}
	list := words(every())
	for _, text := range Files() {
		list = append(list, words(text)...)
	}
	var in bytes.Buffer
	for _, w := range list {
		for i := 6; i >= 0; i -= 2 { // little-endian bytes
			fmt.Fprintf(&in, "0x%s ", w[0][i:i+2])
		}
		in.WriteByte('\n')
	}
	cmd := exec.Command(mc, "--disassemble", "--triple=aarch64", "--mattr=+v8.6a,+fullfp16,+dotprod,+i8mm,+bf16")
	cmd.Stdin = &in
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
		if line != "" && line != ".text" {
			got = append(got, line)
		}
	}
	if len(got) != len(list) {
		t.Fatalf("%d words, %d decoded:\n%s", len(list), len(got), out)
	}
	for i, w := range list {
		if got[i] != w[1] {
			t.Errorf("word %s: written as %q, decodes as %q", w[0], w[1], got[i])
		}
	}
}
