package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// A key names one figure; cpu is the emulated core.
type key struct{ shape, model, test, cpu string }

// row is one test's instructions per token.
type row struct {
	key
	counts
}

// peer are llama.cpp's instructions per token in millions, built for the same
// core, counted with the same plugin (llama-cpp-python 0.3.36, one thread; it
// repacks Q4_0 and Q8_0 at load where there is dotprod). Its Q4_0 file has the
// tied output matrix in Q8_0 at the 0.5B shape and Q6_K at the small one.
var peer = map[key]float64{
	{"0.5b", "Q8_0", "decode", "cortex-a72"}: 432, {"0.5b", "Q8_0", "decode", "cortex-a76"}: 107, {"0.5b", "Q8_0", "decode", "max"}: 150,
	{"0.5b", "Q4_0", "decode", "cortex-a72"}: 466, {"0.5b", "Q4_0", "decode", "cortex-a76"}: 130, {"0.5b", "Q4_0", "decode", "max"}: 161,

	{"small", "Q8_0", "decode", "cortex-a72"}: 4.86, {"small", "Q8_0", "decode", "cortex-a76"}: 1.36, {"small", "Q8_0", "decode", "max"}: 1.74,
	{"small", "Q4_0", "decode", "cortex-a72"}: 5.28, {"small", "Q4_0", "decode", "cortex-a76"}: 1.64, {"small", "Q4_0", "decode", "max"}: 1.88,
	{"small", "Q8_0", "prefill", "cortex-a72"}: 3.40, {"small", "Q8_0", "prefill", "cortex-a76"}: 0.75, {"small", "Q8_0", "prefill", "max"}: 0.73,
	{"small", "Q4_0", "prefill", "cortex-a72"}: 3.69, {"small", "Q4_0", "prefill", "cortex-a76"}: 0.73, {"small", "Q4_0", "prefill", "max"}: 0.65,
}

// classes sort symbols; the first that matches counts. Functions of Go code that
// only surround a kernel go with it.
var classes = []struct {
	name string
	re   *regexp.Regexp
}{
	{"matrices", regexp.MustCompile(`/arm\.(gemv|tile|tokens|pack|gemm|integers|Integers|ScratchBytes|packed|Acts)|kernel\.\(\*(worker|Pool)\)\.(integers|compute|matrix|rows|MatMul|gate)`)},
	{"quantization", regexp.MustCompile(`(?i)/arm\.quantize|kernel\.(\(\*scratch\)\.prepare|variant\.quantize)`)},
	{"attention", regexp.MustCompile(`(?i)/arm\.(products|pairs|scores|weigh|expSum|max|f16|f32tof16|times|scale\b)|kernel\.(\(\*(attend|states|seqView|sequence|item|worker|Pool)\)|variant|sequence|item)\.(attend|StoreKV|store|page|split|weigh|queries|finish|merge|reset|scale|sees|scores|expSum|values|widen|f16|toF16|rows|view)|ref\.(Exp|Tree)|kvcache`)},
	{"norms, RoPE, activation", regexp.MustCompile(`/arm\.(sumSquares|scaleNEON|rmsNorm|RMSNorm|rotate|Rotate|silu|SiLU|add|Add|mul|Mul|gelu|GELU|layer|Layer|softmax|Softmax)|kernel\.(\(\*(Pool|RopeTable|op)\)|variant)\.(opRows|opValues|rmsNorm|RMSNorm|rotate|RoPE|silu|add|mul|Add|Mul|activate|pointwise)`)},
}

const rest = "rest"

// classOf is the class of a symbol.
func classOf(symbol string) string {
	for _, c := range classes {
		if c.re.MatchString(symbol) {
			return c.name
		}
	}
	return rest
}

func (r row) class(name string) float64 {
	sum := 0.0
	for s, n := range r.counts {
		if classOf(s) == name {
			sum += n
		}
	}
	return sum
}

const million = 1e6

// printTable writes every figure beside the peer's, the recorded one, and its parts.
func printTable(w io.Writer, rows []row, want map[key]float64) {
	head := []string{"shape", "model", "test", "core", "M instructions per token", "llama.cpp", "ratio", "recorded"}
	for _, c := range classes {
		head = append(head, c.name)
	}
	head = append(head, rest)
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		total := r.total() / million
		line := []string{r.shape, r.model, r.test, r.cpu, number(total), "-", "-", "-"}
		if p := peer[r.key]; p > 0 {
			line[5], line[6] = number(p), fmt.Sprintf("%.2f", total/p)
		}
		if e, ok := want[r.key]; ok {
			line[7] = fmt.Sprintf("%+.1f %%", 100*(r.total()/e-1))
		}
		for _, c := range classes {
			line = append(line, number(r.class(c.name)/million))
		}
		line = append(line, number(r.class(rest)/million))
		fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
	}
}

// number prints three or four digits.
func number(f float64) string {
	switch {
	case f >= 100:
		return fmt.Sprintf("%.0f", f)
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.3f", f)
}

// printTop lists each test's most costly symbols with their share.
func printTop(w io.Writer, rows []row, n int) {
	for _, r := range rows {
		symbols := make([]string, 0, len(r.counts))
		for s := range r.counts {
			symbols = append(symbols, s)
		}
		slices.SortFunc(symbols, func(a, b string) int {
			switch {
			case r.counts[a] > r.counts[b]:
				return -1
			case r.counts[a] < r.counts[b]:
				return 1
			}
			return strings.Compare(a, b)
		})
		fmt.Fprintf(w, "\n%s %s %s %s\n", r.shape, r.model, r.test, r.cpu)
		for _, s := range symbols[:min(n, len(symbols))] {
			fmt.Fprintf(w, "%12.0f %5.1f %%  %s (%s)\n", r.counts[s], 100*r.counts[s]/r.total(), s, classOf(s))
		}
	}
}
