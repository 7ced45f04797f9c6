package grammar

import "unicode/utf8"

// naive matches by recursive descent over the trees that the front ends make,
// with every way remembered. It shares nothing with the compiler.
type naive struct {
	rules []rule
	text  string
	alive bool // some way reached the end of the text
	memo  map[naiveKey]map[int]bool
}

type naiveKey struct {
	n  *node
	at int
}

// ends returns where n can end if it begins at at.
func (v *naive) ends(n *node, at int) map[int]bool {
	k := naiveKey{n, at}
	if out, ok := v.memo[k]; ok {
		return out
	}
	out := map[int]bool{}
	v.memo[k] = out
	switch n.kind {
	case kBytes:
		v.literal(n.lit, at, out)
	case kClass:
		v.class(n.ranges, at, out)
	case kSeq:
		cur := map[int]bool{at: true}
		for _, s := range n.sub {
			cur = v.all(s, cur)
		}
		for e := range cur {
			out[e] = true
		}
	case kAlt:
		for _, s := range n.sub {
			for e := range v.ends(s, at) {
				out[e] = true
			}
		}
	case kRepeat:
		cur := map[int]bool{at: true}
		for i := 0; ; i++ {
			if i >= n.min {
				for e := range cur {
					out[e] = true
				}
			}
			if len(cur) == 0 || n.max >= 0 && i >= n.max || i > n.min+len(v.text)+1 {
				break
			}
			cur = v.all(n.sub[0], cur)
		}
	case kRef:
		for e := range v.ends(v.rules[n.rule].body, at) {
			out[e] = true
		}
	case kGraph:
		type place struct{ s, at int }
		seen := map[place]bool{{0, at}: true}
		todo := []place{{0, at}}
		for len(todo) > 0 {
			p := todo[0]
			todo = todo[1:]
			if n.graph.accept[p.s] {
				out[p.at] = true
			}
			for _, e := range n.graph.edges {
				if e.from != p.s {
					continue
				}
				for x := range v.ends(e.label, p.at) {
					if q := (place{e.to, x}); !seen[q] {
						seen[q] = true
						todo = append(todo, q)
					}
				}
			}
		}
	}
	return out
}

func (v *naive) all(n *node, from map[int]bool) map[int]bool {
	out := map[int]bool{}
	for at := range from {
		for e := range v.ends(n, at) {
			out[e] = true
		}
	}
	return out
}

func (v *naive) literal(s string, at int, out map[int]bool) {
	for i := range len(s) {
		if at+i == len(v.text) {
			v.alive = true
			return
		}
		if v.text[at+i] != s[i] {
			return
		}
	}
	out[at+len(s)] = true
}

func (v *naive) class(ranges []runeRange, at int, out map[int]bool) {
	rest := v.text[at:]
	if rest == "" {
		v.alive = v.alive || len(ranges) > 0
		return
	}
	if utf8.FullRuneInString(rest) {
		r, n := utf8.DecodeRuneInString(rest)
		for _, x := range ranges {
			if r >= x.lo && r <= x.hi && (r != utf8.RuneError || n == 3) {
				out[at+n] = true
			}
		}
		return
	}
	// The text ends inside a character: try all ways to complete it.
	more := []string{rest}
	for len(more) > 0 {
		s := more[0]
		more = more[1:]
		if !utf8.FullRuneInString(s) {
			for b := 0x80; b < 0xc0; b++ {
				more = append(more, s+string([]byte{byte(b)}))
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		for _, x := range ranges {
			if n == len(s) && r >= x.lo && r <= x.hi {
				v.alive = true
				return
			}
		}
	}
}

// productive tells whether every part of every rule matches some finite text.
func productive(rules []rule) bool {
	good := make([]bool, len(rules))
	var ok func(n *node) bool
	ok = func(n *node) bool {
		switch n.kind {
		case kClass:
			return len(n.ranges) > 0
		case kRef:
			return good[n.rule]
		}
		for _, s := range n.sub {
			if !ok(s) {
				return false
			}
		}
		return true
	}
	some := func(n *node) bool { // ok, but of the alternatives one is enough
		var f func(n *node) bool
		f = func(n *node) bool {
			switch n.kind {
			case kAlt:
				for _, s := range n.sub {
					if f(s) {
						return true
					}
				}
				return false
			case kSeq:
				for _, s := range n.sub {
					if !f(s) {
						return false
					}
				}
				return true
			case kRepeat:
				return n.min == 0 || f(n.sub[0])
			}
			return ok(n)
		}
		return f(n)
	}
	for again := true; again; {
		again = false
		for i := range rules {
			if !good[i] && some(rules[i].body) {
				good[i], again = true, true
			}
		}
	}
	for i := range rules {
		if !ok(rules[i].body) {
			return false
		}
	}
	return true
}

// naiveMatch tells whether text matches the rule root, and whether some text
// that begins with it does; the latter only for grammars in which every tree
// can be completed.
func naiveMatch(rules []rule, root int, text string) (full, prefix bool) {
	v := &naive{rules: rules, text: text, memo: map[naiveKey]map[int]bool{}}
	full = v.ends(rules[root].body, 0)[len(text)]
	return full, full || v.alive
}
