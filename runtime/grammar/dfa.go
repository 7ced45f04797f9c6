package grammar

import (
	"encoding/binary"
	"slices"
)

// maxWork bounds the NFA states that determinize looks at, all rules together.
const maxWork = 1 << 24

// determinize makes the automaton of one rule deterministic, with calls as
// symbols: state 0 is the start, no state has two edges for a byte or two
// calls of a rule.
func (c *compiler) determinize(n *nfa, from, to int32) []state {
	d := &subsets{c: c, n: n, final: to, index: map[string]int32{}, mark: make([]int32, len(n.eps))}
	d.add([]int32{from})
	for i := 0; i < len(d.sets); i++ {
		d.out[i].edges = d.byteEdges(d.sets[i])
		d.out[i].calls = d.callEdges(d.sets[i])
	}
	return d.out
}

// subsets is the subset construction.
type subsets struct {
	c     *compiler
	n     *nfa
	final int32
	index map[string]int32
	sets  [][]int32
	out   []state
	mark  []int32 // closure: the round that reached a state
	round int32
	stack []int32
	key   []byte
}

// add returns the state for what can be reached from seeds without a symbol.
func (d *subsets) add(seeds []int32) int32 {
	d.round++
	var set []int32
	accept := false
	d.stack = append(d.stack[:0], seeds...)
	for len(d.stack) > 0 {
		s := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if d.mark[s] == d.round {
			continue
		}
		d.mark[s] = d.round
		d.stack = append(d.stack, d.n.eps[s]...)
		accept = accept || s == d.final
		if s == d.final || len(d.n.bytes[s])+len(d.n.calls[s]) > 0 {
			set = append(set, s)
		}
		if d.c.work++; d.c.work > maxWork {
			panic(&LimitError{"steps to make the grammar deterministic", maxWork})
		}
	}
	slices.Sort(set)
	d.key = d.key[:0]
	for _, s := range set {
		d.key = binary.LittleEndian.AppendUint32(d.key, uint32(s))
	}
	if i, ok := d.index[string(d.key)]; ok {
		return i
	}
	i := int32(len(d.sets))
	if len(d.c.states)+len(d.sets) >= d.c.limits.States {
		panic(&LimitError{"states", d.c.limits.States})
	}
	d.index[string(d.key)] = i
	d.sets = append(d.sets, set)
	d.out = append(d.out, state{accept: accept})
	return i
}

// byteEdges cuts the bytes where an edge of the set begins or ends.
func (d *subsets) byteEdges(set []int32) []edge {
	var all []byteEdge
	for _, s := range set {
		all = append(all, d.n.bytes[s]...)
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b byteEdge) int { return int(a.lo) - int(b.lo) })
	var cut [257]bool
	for _, e := range all {
		cut[e.lo], cut[int(e.hi)+1] = true, true
	}
	var out []edge
	var live []byteEdge
	var seeds []int32
	next := 0
	for lo := 0; lo < 256; {
		hi := lo + 1
		for hi < 256 && !cut[hi] {
			hi++
		}
		for next < len(all) && int(all[next].lo) <= lo {
			live = append(live, all[next])
			next++
		}
		live = slices.DeleteFunc(live, func(e byteEdge) bool { return int(e.hi) < lo })
		if len(live) > 0 {
			seeds = seeds[:0]
			for _, e := range live {
				seeds = append(seeds, e.to)
			}
			to := d.add(seeds)
			if n := len(out); n > 0 && out[n-1].to == to && int(out[n-1].hi) == lo-1 {
				out[n-1].hi = byte(hi - 1)
			} else {
				out = append(out, edge{lo: byte(lo), hi: byte(hi - 1), to: to})
			}
		}
		lo = hi
	}
	return out
}

func (d *subsets) callEdges(set []int32) []call {
	var all []call
	for _, s := range set {
		all = append(all, d.n.calls[s]...)
	}
	slices.SortStableFunc(all, func(a, b call) int { return int(a.rule) - int(b.rule) })
	var out []call
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].rule == all[0].rule {
			n++
		}
		var seeds []int32
		for _, x := range all[:n] {
			seeds = append(seeds, x.ret)
		}
		out = append(out, call{rule: all[0].rule, ret: d.add(seeds)})
		all = all[n:]
	}
	return out
}
