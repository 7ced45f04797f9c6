package grammar

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Grammar is a compiled grammar: a pushdown automaton over bytes. It is
// immutable and safe for concurrent use.
//
// Every rule that was not copied into others is a frame with states of its
// own. From each state the frames that can begin there are followed ahead of
// time, so a byte leads over one action to the next state and the frames that
// are entered on the way; only leaving a frame needs the stack.
type Grammar struct {
	states  []linked
	spans   []span
	actions []action
	pushes  []frame
	frames  []linkedFrame
	root    int32 // start of the root
}

// Bytes is about how much memory the grammar takes.
func (g *Grammar) Bytes() int {
	n := 512 + 16*len(g.states) + 12*len(g.spans) + 24*len(g.actions) + 8*len(g.pushes)
	for i := range g.frames {
		n += 160 + len(g.frames[i].name) + 4*len(g.frames[i].back)
	}
	return n
}

// frame is a place in a rule: on the stack, where the text goes on after the
// rule above has ended.
type frame struct {
	state int32
	turn  int32 // ended turns of a counted loop, or unknown
}

// unknown turns let everything pass, and stay so when some are added.
const unknown = math.MinInt32 / 2

// linked is a state; its spans are ascending and disjoint.
type linked struct {
	first, n int32
	frame    int32
	pop      guard // when the frame can end here
}

// span is the actions of the bytes lo to hi.
type span struct {
	lo, hi   byte
	first, n int32
}

// action is one way to take a byte. If keep is set, the frame it starts from
// stays: it becomes the first of the frames entered (push, and next on top),
// whose turns then add to its own.
type action struct {
	next    frame
	push, n int32 // pushes[push:push+n], the outermost first
	keep    bool
	guard   guard // on the turns of the frame it starts from
}

// guard is a condition on the turns that a counted loop has ended.
type guard int8

const (
	never guard = iota
	always
	zero // zero + d: more turns are allowed (actions), enough are done (pop) after d turns more
	one
)

// more tells whether the guard of an action lets a frame with these turns pass.
func (g guard) more(turn int32, f *linkedFrame) bool {
	return g == always || g != never && (turn < 0 || turn+int32(g-zero) < f.max)
}

// enough is more for pop.
func (g guard) enough(turn int32, f *linkedFrame) bool {
	return g == always || g != never && (turn < 0 || turn+int32(g-zero) >= f.min)
}

// linkedFrame is one rule.
type linkedFrame struct {
	name     string
	start, n int32
	loop     bool // turns are counted
	pure     bool // a loop without calls in which each byte leads to one state
	min, max int32
	follow   byteSet // what may come after it
	back     []int32 // states that may wait below it
	crowd    bool    // they are too many, back has none
	sum      [16]byte
	own      [16]byte // sum, but never that of a frame elsewhere
}

type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// union adds t and tells whether that changed s.
func (s *byteSet) union(t *byteSet) bool {
	old := *s
	for i := range s {
		s[i] |= t[i]
	}
	return old != *s
}

// link compiles rules whose start is root.
func link(rules []rule, root int, l Limits) (g *Grammar, err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *LimitError:
			g, err = nil, e
		case linkError:
			g, err = nil, e
		default:
			panic(e)
		}
	}()
	c := &compiler{rules: rules, limits: l, info: make([]ruleInfo, len(rules)),
		sizes: map[*node]int{}, loops: map[*node]int{}, number: map[int]int{}}
	c.build(root)
	c.prune()
	k := &linker{c: c, g: &Grammar{root: 0}, null: c.nullables(), path: make([]bool, len(c.frames))}
	k.all()
	k.follow()
	k.back()
	k.sums()
	return k.g, nil
}

type linkError string

func (e linkError) Error() string { return "grammar: " + string(e) }

// prune removes what no finite text passes, so that every state that is left
// leads to an end.
func (c *compiler) prune() {
	good := make([]bool, len(c.states))
	back := make([][]int32, len(c.states)) // states to look at again once this one is good
	frame := make([]int32, len(c.states))
	for i, f := range c.frames {
		for s := f.start; s < f.start+f.n; s++ {
			frame[s] = int32(i)
		}
	}
	check := func(s int32) bool {
		f := &c.frames[frame[s]]
		if c.states[s].accept && !(f.loop && f.min > 0) {
			return true
		}
		for _, e := range c.states[s].edges {
			if e.inc || good[e.to] {
				return true
			}
		}
		for _, x := range c.states[s].calls {
			if good[c.frames[x.rule].start] && (x.inc || good[x.ret]) {
				return true
			}
		}
		return false
	}
	var todo []int32
	for s := range c.states {
		for _, e := range c.states[s].edges {
			back[e.to] = append(back[e.to], int32(s))
		}
		for _, x := range c.states[s].calls {
			back[x.ret] = append(back[x.ret], int32(s))
			at := c.frames[x.rule].start
			back[at] = append(back[at], int32(s))
		}
		todo = append(todo, int32(s))
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !good[s] && check(s) {
			good[s] = true
			todo = append(todo, back[s]...)
		}
	}
	if !good[0] {
		panic(linkError("the rule " + c.frames[0].name + " matches no finite text"))
	}
	for s := range c.states {
		st := &c.states[s]
		st.edges = slices.DeleteFunc(st.edges, func(e edge) bool { return !good[s] || !good[e.to] })
		st.calls = slices.DeleteFunc(st.calls, func(x call) bool {
			return !good[s] || !good[x.ret] || !good[c.frames[x.rule].start]
		})
	}
}

// nullables tells which frames match the empty text.
func (c *compiler) nullables() []bool {
	null := make([]bool, len(c.frames))
	ends := make([]bool, len(c.states))
	for again := true; again; {
		again = false
		for i, f := range c.frames {
			for s := f.start + f.n - 1; s >= f.start; s-- {
				if ends[s] {
					continue
				}
				ok := c.states[s].accept && !(f.loop && f.min > 0)
				for _, x := range c.states[s].calls {
					ok = ok || null[x.rule] && ends[x.ret] && !x.inc
				}
				if ok {
					ends[s], again = true, true
				}
			}
			null[i] = ends[f.start]
		}
	}
	return null
}

// linker makes the actions of every state.
type linker struct {
	c    *compiler
	g    *Grammar
	null []bool
	path []bool // rules that have begun and taken no byte yet
	raw  []rawAction
	at   int32 // the state whose actions are made
	pop  guard
	work int // levels looked at
}

type rawAction struct {
	lo, hi byte
	action
}

func (k *linker) all() {
	c, g := k.c, k.g
	for i, f := range c.frames {
		g.frames = append(g.frames, linkedFrame{name: f.name, start: f.start, n: f.n, loop: f.loop, min: f.min, max: f.max, pure: f.loop})
		for s := f.start; s < f.start+f.n; s++ {
			k.at, k.raw, k.pop = s, k.raw[:0], never
			k.path[i] = s == f.start // elsewhere the rule may begin again inside itself
			k.level(level{frame: int32(i), state: s, base: true, keep: true})
			k.path[i] = false
			k.row(int32(i))
		}
	}
}

// level is one frame that can be on top before the next byte.
type level struct {
	frame int32
	state int32
	base  bool // the frame that the byte starts from
	keep  bool // that frame is still there
	push  []frame
}

// place is a state of a level that is reached without a byte.
type place struct {
	state int32
	turn  int32 // turns ended on the way
	guard guard // on the way a turn has begun
}

// level adds the actions of a frame and of those that can begin in it.
func (k *linker) level(l level) {
	f := &k.c.frames[l.frame]
	if k.work++; k.work > maxWork/4 {
		panic(&LimitError{"ways to begin a rule", maxWork / 4})
	}
	todo := []place{{l.state, 0, always}}
	for i := 0; i < len(todo); i++ {
		p := todo[i]
		st := &k.c.states[p.state]
		boundary := f.loop && p.state == f.start
		if st.accept && l.base {
			k.pop = always
			if boundary && f.min > 0 {
				k.pop = zero + guard(p.turn)
			}
		}
		if boundary {
			if l.base {
				p.guard = zero + guard(p.turn)
			} else if p.turn >= f.max {
				continue
			}
		}
		for _, e := range st.edges {
			next := frame{state: e.to, turn: p.turn}
			if e.inc {
				next.turn++
			}
			k.emit(rawAction{e.lo, e.hi, action{next: next, keep: l.keep, guard: p.guard}}, l.push)
		}
		for _, x := range st.calls {
			ret := place{x.ret, p.turn, p.guard}
			if x.inc {
				ret.turn++
			}
			if k.null[x.rule] && !slices.Contains(todo, ret) {
				todo = append(todo, ret)
			}
			k.enter(l, x, ret)
		}
	}
}

// enter follows a call.
func (k *linker) enter(l level, x call, ret place) {
	name := k.c.frames[x.rule].name
	if k.path[x.rule] {
		panic(linkError(fmt.Sprintf("the rule %s is left recursive: it can begin with itself", name)))
	}
	sub := level{frame: x.rule, state: k.c.frames[x.rule].start, keep: l.keep, push: l.push}
	if k.idle(ret.state) && !x.inc {
		sub.keep = l.keep && !l.base // nothing is left to do there: the frame goes before its last call
	} else {
		sub.push = append(slices.Clip(l.push), frame{ret.state, ret.turn})
	}
	before := len(k.raw)
	k.path[x.rule] = true
	k.level(sub)
	k.path[x.rule] = false
	if l.base {
		for i := before; i < len(k.raw); i++ {
			k.raw[i].guard = ret.guard
		}
	}
}

// idle tells whether all that can happen at s is that the frame ends.
func (k *linker) idle(s int32) bool {
	st := &k.c.states[s]
	return st.accept && len(st.edges)+len(st.calls) == 0
}

func (k *linker) emit(a rawAction, push []frame) {
	a.push, a.n = int32(len(k.g.pushes)), int32(len(push))
	k.g.pushes = append(k.g.pushes, push...)
	k.raw = append(k.raw, a)
	if most := 8 * k.c.limits.States; len(k.raw)+len(k.g.actions) > most || len(k.g.pushes) > most {
		panic(&LimitError{"edges", most})
	}
}

// row turns the raw actions of a state into spans.
func (k *linker) row(frame int32) {
	g := k.g
	row := linked{first: int32(len(g.spans)), frame: frame, pop: k.pop}
	var cut [257]bool
	for _, a := range k.raw {
		cut[a.lo], cut[int(a.hi)+1] = true, true
	}
	for lo := 0; lo < 256 && len(k.raw) > 0; {
		hi := lo + 1
		for hi < 256 && !cut[hi] {
			hi++
		}
		first := int32(len(g.actions))
		for _, a := range k.raw {
			if int(a.lo) <= lo && lo <= int(a.hi) {
				g.actions = append(g.actions, a.action)
			}
		}
		if n := int32(len(g.actions)) - first; n > 0 {
			g.spans = append(g.spans, span{byte(lo), byte(hi - 1), first, n})
			if n > 1 || len(k.c.states[k.at].calls) > 0 {
				g.frames[frame].pure = false
			}
		}
		if most := 8 * k.c.limits.States; len(g.actions) > most {
			panic(&LimitError{"edges", most})
		}
		lo = hi
	}
	row.n = int32(len(g.spans)) - row.first
	g.states = append(g.states, row)
}

// follow finds what may come after each rule.
func (k *linker) follow() {
	g := k.g
	first := make([]byteSet, len(g.states))
	for i, s := range g.states {
		for _, p := range g.spans[s.first : s.first+s.n] {
			first[i].add(p.lo, p.hi)
		}
	}
	for again := true; again; {
		again = false
		for s := range k.c.states {
			for _, x := range k.c.states[s].calls {
				f := &g.frames[x.rule].follow
				again = f.union(&first[x.ret]) || again
				if g.states[x.ret].pop != never {
					again = f.union(&g.frames[g.states[s].frame].follow) || again
				}
			}
		}
	}
}

// mostBack bounds the states below a rule that are told apart.
const mostBack = 64

// back finds the states that may wait below each rule. A caller that has
// nothing left to do is not there any more: its callers are.
func (k *linker) back() {
	g := k.g
	sets := make([]map[int32]bool, len(g.frames))
	for i := range sets {
		sets[i] = map[int32]bool{}
	}
	for again := true; again; {
		again = false
		for s := range k.c.states {
			for _, x := range k.c.states[s].calls {
				to := sets[x.rule]
				before := len(to)
				if before > mostBack {
					continue
				}
				if !k.idle(x.ret) || x.inc {
					to[x.ret] = true
				} else {
					for r := range sets[g.states[s].frame] {
						to[r] = true
					}
				}
				again = again || len(to) != before
			}
		}
	}
	for i, set := range sets {
		if g.frames[i].crowd = len(set) > mostBack; !g.frames[i].crowd {
			g.frames[i].back = slices.Sorted(maps.Keys(set))
		}
	}
}

// sums gives each frame a name that is the same wherever its states, and so
// their masks, are the same: the hash of its own states and what follows where
// nothing else is called, else the hash of the whole grammar and its number.
func (k *linker) sums() {
	g := k.g
	whole := sha256.New()
	for i := range g.frames {
		f := &g.frames[i]
		b := binary.LittleEndian.AppendUint32(nil, uint32(f.n))
		alone := true
		if f.pure { // its masks serve all bounds
			b = append(b, 'p', byte(bit(f.max < maxTurns)))
		} else if f.loop {
			b = binary.LittleEndian.AppendUint64(append(b, 'l'), uint64(f.min)<<32|uint64(f.max))
		}
		for s := f.start; s < f.start+f.n; s++ {
			b = append(b, '|', byte(bit(g.states[s].pop != never)))
			for _, e := range k.c.states[s].edges {
				b = binary.LittleEndian.AppendUint32(append(b, '.', e.lo, e.hi, byte(bit(e.inc))), uint32(e.to-f.start))
			}
			for _, x := range k.c.states[s].calls {
				alone = false
				b = binary.LittleEndian.AppendUint32(append(b, '('), uint32(x.rule))
				b = binary.LittleEndian.AppendUint32(b, uint32(x.ret-f.start))
			}
		}
		for _, w := range f.follow {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		whole.Write(b)
		if alone {
			h := sha256.Sum256(b)
			copy(f.sum[:], h[:])
		}
	}
	all := whole.Sum(nil)
	for i := range g.frames {
		f := &g.frames[i]
		h := sha256.Sum256(binary.LittleEndian.AppendUint32(slices.Clip(all), uint32(i)))
		copy(f.own[:], h[:])
		if f.sum == [16]byte{} {
			f.sum = f.own
		}
	}
	if len(g.states) > math.MaxInt32/2 {
		panic(linkError("too many states"))
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// find returns the actions of a byte in a state.
func (g *Grammar) find(s int32, b byte) []action {
	st := &g.states[s]
	row := g.spans[st.first : st.first+st.n]
	if len(row) > 8 {
		lo, hi := 0, len(row)
		for lo < hi {
			if m := (lo + hi) / 2; row[m].hi < b {
				lo = m + 1
			} else {
				hi = m
			}
		}
		row = row[lo:min(lo+1, len(row))]
	}
	for i := range row {
		if b <= row[i].hi {
			if b < row[i].lo {
				return nil
			}
			return g.actions[row[i].first : row[i].first+row[i].n]
		}
	}
	return nil
}
