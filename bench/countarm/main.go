// Command countarm counts the guest instructions that a token costs on emulated
// ARM cores and compares them with llama.cpp's and with the recorded ones. Counts
// are exact and the same on every machine; they are no speed: they show which
// kernel costs what, and every regression.
//
//	go run ./bench/countarm -model Q8_0=a.gguf -model Q4_0=b.gguf
//	go run ./bench/countarm -shape 0.5b …   the other shape
//	go run ./bench/countarm -update …       write the counts to the expected file
//	go run ./bench/countarm -static         instructions and cycles of each kernel's loop
//
// Method: qemu-user with the plugin/insncount.c runs `qwq generate` with one
// thread, GOMAXPROCS=1 and without garbage collection. Loading cancels in
// differences of runs, symbol by symbol: a decode step is (1 prompt token, n+1 new
// ones) - (1, 1), over n; a prefill is (64, 1) - (1, 1) + a decode step, over 64,
// so that one row of logits is in it, as in the peer's.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// core is an emulated processor and the rung of the kernels that it gets.
type core struct{ cpu, rung string }

var cores = []core{{"cortex-a72", "neon"}, {"cortex-a76", "dotprod"}, {"max", "i8mm"}}

// tolerance is the growth of a count that is not yet a regression.
const tolerance = 0.02

// models are the files to count with, in order: name=path flags.
type models []struct{ name, path string }

func (m *models) String() string { return "" }

func (m *models) Set(s string) error {
	name, path, ok := strings.Cut(s, "=")
	if !ok {
		return errors.New("want NAME=FILE")
	}
	*m = append(*m, struct{ name, path string }{name, path})
	return nil
}

func main() {
	var files models
	flag.Var(&files, "model", "NAME=FILE: a model; NAME chooses the peer's figures")
	shape := flag.String("shape", "small", "small or 0.5b: chooses the peer's figures and the recorded ones")
	qwq := flag.String("qwq", ".scratch/count-arm/qwq", "the program, with symbols")
	expected := flag.String("expected", "bench/countarm/expected.txt", "file of the recorded counts")
	update := flag.Bool("update", false, "write the counts to that file")
	top := flag.Int("top", 0, "also list the symbols of each test that cost most")
	tokens := flag.Int("n", 32, "decode steps that are counted")
	estimates := flag.Bool("static", false, "print the static estimate of each kernel instead")
	flag.Parse()
	if *estimates {
		if err := static(os.Stdout, *qwq); err != nil {
			fmt.Fprintln(os.Stderr, "countarm: error:", err)
			os.Exit(1)
		}
		return
	}
	if len(files) == 0 || *tokens < 1 || *tokens > 60 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(files, *shape, *qwq, *expected, *update, *top, *tokens); err != nil {
		fmt.Fprintln(os.Stderr, "countarm: error:", err)
		os.Exit(1)
	}
}

func run(files models, shape, qwq, expected string, update bool, top, tokens int) error {
	tmp, err := os.MkdirTemp("", "countarm")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	c := counter{qwq: qwq, plugin: filepath.Join(tmp, "insncount.so"), out: filepath.Join(tmp, "counts")}
	if err := c.build("bench/countarm/plugin/insncount.c"); err != nil {
		return err
	}
	want, err := readExpected(expected)
	if err != nil {
		return err
	}
	var rows []row
	for _, f := range files {
		for _, core := range cores {
			decode, prefill, err := c.tests(core, f.path, tokens)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", f.name, core.cpu, err)
			}
			rows = append(rows, row{key{shape, f.name, "decode", core.cpu}, decode}, row{key{shape, f.name, "prefill", core.cpu}, prefill})
		}
	}
	printTable(os.Stdout, rows, want)
	if top > 0 {
		printTop(os.Stdout, rows, top)
	}
	if update {
		return writeExpected(expected, want, rows)
	}
	return regressions(rows, want)
}
