package asmgen

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Cortex-A53 and A55 issue in order: an instruction that waits for a load stops
// all behind it. So the bodies of loops are written plainly and then put into an
// order in which results are waited for as little as possible: a list schedule,
// longest way to the end first, two instructions a cycle, one of them a load or
// store. The registers stay the generator's, so what it interleaves bounds what
// can be gained.

// latencies of results by the mnemonic, in cycles: rough ones, between A53's and A55's.
var latencies = map[string]int{
	"and": 2, "ushr": 2, "shl": 2, "sli": 2, "mvn": 2, "mov": 2, "movi": 2, "sub": 2, "add": 2, "zip1": 2, "zip2": 2, "trn1": 2, "trn2": 2,
	"uzp1": 2, "uzp2": 2, "cmtst": 2, "dup": 2, "addp": 3, "tbl": 3, "sshll": 2, "sshll2": 2, "sshr": 2, "saddlp": 3,
}

const (
	loadLatency  = 5
	otherLatency = 4
)

// readsResult are the raw instructions that also read their first operand.
var readsResult = []string{"sdot", "smmla", "smlal", "smlal2", "sadalp", "mla", "mls", "fmla", "sli", "bit", "bif", "fcvtn2"}

// A line is one instruction. Registers are "v3" and "r3"; "m3" is the memory that
// is reached by R3: the generator stores by registers that nothing else loads by.
type line struct {
	text         string
	reads, write []string
	latency      int
	memory       bool
}

var (
	register = regexp.MustCompile(`\b([vVFRsdh])(\d+)\b`)
	address  = regexp.MustCompile(`\(R(\d+)\)`)
)

func registers(s string) (list []string) {
	for _, m := range register.FindAllStringSubmatch(s, -1) {
		kind := "v"
		if m[1] == "R" {
			kind = "r"
		}
		list = append(list, kind+m[2])
	}
	return list
}

// parse finds what an instruction reads and writes. It stops at one that it does
// not know.
func parse(text string) line {
	l := line{text: text, latency: otherLatency}
	if _, raw, ok := strings.Cut(text, " // "); ok {
		name, _, _ := strings.Cut(raw, " ")
		regs := registers(raw[len(name):])
		l.write, l.reads = regs[:1], regs[1:]
		if slices.Contains(readsResult, name) {
			l.reads = regs
		}
		if n, ok := latencies[name]; ok {
			l.latency = n
		}
		return l
	}
	name, operands, _ := strings.Cut(strings.TrimSpace(text), " ")
	base, _, _ := strings.Cut(name, ".")
	at := address.FindStringSubmatchIndex(operands)
	switch {
	case base == "PRFM":
		l.reads, l.memory = registers(operands), true
	case at != nil && strings.HasPrefix(operands[at[1]:], ", "): // a load
		ptr := operands[at[2]:at[3]]
		l.latency, l.memory = loadLatency, true
		l.reads, l.write = []string{"r" + ptr, "m" + ptr}, registers(operands[at[1]:])
		if strings.HasSuffix(operands, "]") && !strings.HasPrefix(operands[at[1]:], ", [") { // one lane
			l.reads = append(l.reads, l.write...)
		}
	case at != nil: // a store
		ptr := operands[at[2]:at[3]]
		l.memory = true
		l.reads, l.write = append(registers(operands[:at[0]]), "r"+ptr), []string{"m" + ptr}
	case base == "MOVD" && strings.HasPrefix(operands, "$"):
		l.write, l.latency = registers(operands[strings.Index(operands, ", "):]), 1
	case base == "ADD" || base == "VDUP":
		regs := registers(operands)
		l.reads, l.write, l.latency = regs[:len(regs)-1], regs[len(regs)-1:], 1
	default:
		panic(fmt.Sprintf("asmgen: no schedule for %q", text))
	}
	if strings.HasSuffix(name, ".P") {
		l.write = append(slices.Clone(l.write), "r"+operands[at[2]:at[3]])
	}
	return l
}

// edge says that an instruction must not begin before another's cycle plus wait.
type edge struct{ to, wait int }

// schedule puts the instructions of a piece without branches in order.
func schedule(text string) string {
	var lines []line
	for s := range strings.Lines(text) {
		lines = append(lines, parse(strings.TrimSuffix(s, "\n")))
	}
	after, before := dependencies(lines)
	// the longest way from each instruction to the end
	height := make([]int, len(lines))
	for i := len(lines) - 1; i >= 0; i-- {
		height[i] = lines[i].latency
		for _, e := range after[i] {
			height[i] = max(height[i], e.wait+height[e.to])
		}
	}
	earliest, out := make([]int, len(lines)), strings.Builder{}
	done := make([]bool, len(lines))
	for cycle, left := 0, len(lines); left > 0; cycle++ {
		for slot, memory := 0, false; slot < 2; slot++ {
			best := -1
			for i := range lines {
				if !done[i] && before[i] == 0 && earliest[i] <= cycle && !(memory && lines[i].memory) && (best < 0 || height[i] > height[best]) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			done[best], memory = true, memory || lines[best].memory
			left--
			out.WriteString(lines[best].text + "\n")
			for _, e := range after[best] {
				before[e.to]--
				earliest[e.to] = max(earliest[e.to], cycle+e.wait)
			}
		}
	}
	return out.String()
}

// dependencies are the edges from each instruction, and how many lead to each.
func dependencies(lines []line) (after [][]edge, before []int) {
	after, before = make([][]edge, len(lines)), make([]int, len(lines))
	link := func(from, to, wait int) {
		after[from] = append(after[from], edge{to, wait})
		before[to]++
	}
	writer, readers := map[string]int{}, map[string][]int{}
	for i, l := range lines {
		for _, r := range l.reads {
			if w, ok := writer[r]; ok {
				wait := lines[w].latency
				if r[0] != 'v' { // addresses that move on
					wait = 1
				}
				link(w, i, wait)
			}
		}
		for _, r := range l.write {
			for _, j := range readers[r] {
				link(j, i, 0)
			}
			if w, ok := writer[r]; ok {
				link(w, i, 1)
			}
		}
		for _, r := range l.reads {
			readers[r] = append(readers[r], i)
		}
		for _, r := range l.write {
			writer[r], readers[r] = i, nil
		}
	}
	return after, before
}

// Scheduled writes what f writes, a piece without branches, in a better order.
func (a *Arm64) Scheduled(f func()) {
	from := a.buf.Len()
	f()
	text := string(a.buf.Bytes()[from:])
	a.buf.Truncate(from)
	a.buf.WriteString(schedule(text))
}
