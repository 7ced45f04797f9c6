package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// The static estimate: instructions of a kernel's inner loop per 32 weights and,
// where LLVM has a model of a core, llvm-mca's cycles for them. A55's and A53's
// models issue in order; A57's stands for the A72, which LLVM schedules alike.
// There is none of the A76 in LLVM 14. Loads that move their pointer on are given
// without that: LLVM 14's models in order take it for a result that everything
// behind it waits for (four such loads by four pointers take 20 cycles, not 8).

// rungs are the levels with the cores that have a model. The upper two levels
// differ in the tile and its packing.
var rungs = []struct {
	name  string
	cores []string
}{
	{"NEON", []string{"cortex-a53", "cortex-a57"}},
	{"DotProd", []string{"cortex-a55"}},
	{"I8MM", nil},
}

// A kernel is one column; weights is how often 32 weights (of one row, and of one
// token) are in a round of its loop.
type kernel struct {
	column, prefix string
	weights        func(t weightType) float64
}

// weightType is a row of the table: a type, the tile that multiplies it.
type weightType struct {
	name, tile string
	super      bool // blocks of 256
}

var weightTypes = []weightType{
	{"Q8_0", "32Wide", false}, {"Q4_0", "32", false}, {"Q4_1", "32Min", false}, {"Q5_0", "32", false}, {"Q5_1", "32Min", false},
	{"IQ4_NL", "32Wide", false}, {"Q2_K", "16Min", true}, {"Q3_K", "16", true}, {"Q4_K", "32Min", true}, {"Q5_K", "32Min", true}, {"Q6_K", "16", true},
}

var kernels = []kernel{
	{"one token", "gemv", func(t weightType) float64 {
		if t.super {
			return 8 * 8
		}
		return 4 * 8
	}},
	{"packing", "pack", func(t weightType) float64 {
		if t.super {
			return 8 * 8
		}
		return 8
	}},
	{"tile", "tile", func(weightType) float64 { return 8 * 4 }},
}

// symbol is the kernel of a type on a rung; "" where the rung takes another's.
func (k kernel) symbol(t weightType, rung string) string {
	switch {
	case k.prefix == "gemv" && rung == "I8MM":
		return ""
	case k.prefix != "tile":
		return k.prefix + t.name + rung
	case rung != "NEON":
		return "tile" + strings.TrimSuffix(t.tile, "Wide") + rung
	}
	return "tile" + t.tile + rung
}

// static prints the table of the program's kernels.
func static(w io.Writer, program string) error {
	for _, tool := range []string{"llvm-objdump", "llvm-mca"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: apt-get install llvm", tool)
		}
	}
	loops, err := disassemble(program)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nInstructions per 32 weights of one row (and one token), in brackets llvm-mca's cycles:\n\n| type |")
	rule := "\n| --- |"
	for _, k := range kernels {
		for _, r := range rungs {
			if k.prefix == "gemv" && r.name == "I8MM" {
				continue
			}
			fmt.Fprintf(w, " %s %s |", k.column, strings.ToLower(r.name))
			rule += " --- |"
		}
	}
	fmt.Fprintln(w, rule)
	for _, t := range weightTypes {
		fmt.Fprintf(w, "| %s |", t.name)
		for _, k := range kernels {
			for _, r := range rungs {
				name := k.symbol(t, r.name)
				if name == "" {
					continue
				}
				cell, err := estimate(loops[name], name, k.weights(t), r.cores)
				if err != nil {
					return err
				}
				fmt.Fprintf(w, " %s |", cell)
			}
		}
		fmt.Fprintln(w)
	}
	return nil
}

// estimate is one cell.
func estimate(loop []string, name string, weights float64, cores []string) (string, error) {
	if len(loop) == 0 {
		return "", fmt.Errorf("%s has no loop", name)
	}
	cell := fmt.Sprintf("%.1f", float64(len(loop))/weights)
	var list []string
	for _, core := range cores {
		c, err := cycles(loop, core)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		list = append(list, fmt.Sprintf("%s %.1f", strings.ToUpper(strings.TrimPrefix(core, "cortex-")), c/weights))
	}
	if list != nil {
		cell += " (" + strings.Join(list, ", ") + ")"
	}
	return cell, nil
}

var (
	head   = regexp.MustCompile(`^[0-9a-f]+ <.*/arm\.(\w+)\.abi0>:`)
	insn   = regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.*)$`)
	branch = regexp.MustCompile(`^(b\.\w+|cbnz|cbz|b)\s.*?0x([0-9a-f]+)`)
)

// disassemble finds the loops of a program's kernels.
func disassemble(program string) (map[string][]string, error) {
	out, err := exec.Command("llvm-objdump", "--disassemble", "--no-show-raw-insn", "--mattr=+v8.6a,+i8mm", program).Output()
	if err != nil {
		return nil, fmt.Errorf("llvm-objdump: %w", err)
	}
	return loopsOf(bytes.NewReader(out))
}

// loopsOf reads a disassembly: the largest innermost loop of every kernel, its
// instructions.
func loopsOf(r io.Reader) (map[string][]string, error) {
	loops := map[string][]string{}
	name, first, back := "", uint64(0), uint64(0)
	var body []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasSuffix(strings.TrimSpace(line), ">:") {
			name, body, back = "", nil, 0
			if m := head.FindStringSubmatch(line); m != nil {
				name = m[1]
			}
			continue
		}
		m := insn.FindStringSubmatch(line)
		if name == "" || m == nil {
			continue
		}
		at, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		if body == nil {
			first = at
		}
		text, _, _ := strings.Cut(strings.ReplaceAll(m[2], "\t", " "), "<")
		body = append(body, text)
		b := branch.FindStringSubmatch(text)
		if b == nil {
			continue
		}
		to, err := strconv.ParseUint(b[2], 16, 64)
		if err != nil || to > at || to < first || to < back {
			continue // forward, or around another loop
		}
		back = at
		if loop := body[(to-first)/4:]; len(loop) > len(loops[name]) {
			loops[name] = append([]string(nil), loop...)
		}
	}
	return loops, lines.Err()
}

var writeBack = regexp.MustCompile(`\], (#\d+|x\d+)$`)

var total = regexp.MustCompile(`Total Cycles:\s+(\d+)`)

// cycles are llvm-mca's per round of a loop.
func cycles(loop []string, core string) (float64, error) {
	const rounds = 100
	var in strings.Builder
	in.WriteString("loop:\n")
	for _, s := range loop {
		if b := branch.FindStringSubmatch(s); b != nil {
			s = strings.Replace(s, "0x"+b[2], "loop", 1)
		}
		in.WriteString(writeBack.ReplaceAllString(strings.TrimSpace(s), "]") + "\n")
	}
	cmd := exec.Command("llvm-mca", "--mtriple=aarch64", "--mcpu="+core, "--iterations="+strconv.Itoa(rounds))
	cmd.Stdin = strings.NewReader(in.String())
	var talk strings.Builder
	cmd.Stderr = &talk
	out, err := cmd.Output()
	m := total.FindSubmatch(out)
	if err != nil {
		return 0, fmt.Errorf("llvm-mca --mcpu=%s: %w\n%s", core, err, talk.String())
	}
	if m == nil {
		return 0, fmt.Errorf("llvm-mca --mcpu=%s: no cycles in\n%s", core, out)
	}
	n, err := strconv.Atoi(string(m[1]))
	return float64(n) / rounds, err
}
