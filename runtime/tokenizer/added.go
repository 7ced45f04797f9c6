package tokenizer

import "unicode/utf8"

// maxAddedLen bounds the bytes of an added token, and with it the work per
// character of text.
const maxAddedLen = 512

// addedToken is a token that is looked for in the text itself.
type addedToken struct {
	id         int32
	special    bool
	singleWord bool // only between characters that are no part of a word
	lstrip     bool // takes the white space before it
	rstrip     bool // takes the white space after it
}

// matcher finds added tokens: the leftmost one, of those the longest.
type matcher struct {
	root   [256]int32 // first byte -> node+1
	nodes  []matchNode
	tokens []addedToken
}

// matchNode is a node of the trie; children are a list of siblings.
type matchNode struct {
	child, sibling int32 // node+1, 0 = none
	token          int32 // index+1 into tokens, 0 = none
	b              byte
}

// add enters a token by the text it matches, which must not be empty.
func (m *matcher) add(text string, tok addedToken) {
	m.tokens = append(m.tokens, tok)
	node := int32(0)
	link := &m.root[text[0]]
	for i := 0; i < len(text); i++ {
		for *link != 0 && m.nodes[*link-1].b != text[i] {
			link = &m.nodes[*link-1].sibling
		}
		if *link == 0 {
			*link = int32(len(m.nodes) + 1) // before the append, which may move what link points to
			m.nodes = append(m.nodes, matchNode{b: text[i]})
			node = int32(len(m.nodes))
		} else {
			node = *link
		}
		link = &m.nodes[node-1].child
	}
	if m.nodes[node-1].token == 0 {
		m.nodes[node-1].token = int32(len(m.tokens))
	}
}

// longest returns the longest token at s[i] (its index, its end), -1 = none.
func (m *matcher) longest(s string, i int) (tok, end int) {
	tok = -1
	for n := m.root[s[i]]; n != 0; {
		node := &m.nodes[n-1]
		if node.b != s[i] {
			n = node.sibling
			continue
		}
		i++
		if node.token != 0 {
			tok, end = int(node.token-1), i
		}
		if i == len(s) {
			break
		}
		n = node.child
	}
	return tok, end
}

// next finds the first token in s[from:]. It returns where the token begins and
// ends, white space it takes included, and its id, -1 = none. With skipSpecial
// a special token is passed over as text.
func (m *matcher) next(s string, from int, skipSpecial bool) (lo, hi int, id int32) {
	for i := from; i < len(s); {
		if m.root[s[i]] == 0 {
			i++
			continue
		}
		k, end := m.longest(s, i)
		if k < 0 {
			i++
			continue
		}
		tok := m.tokens[k]
		if skipSpecial && tok.special || tok.singleWord && (wordBefore(s, i) || wordAfter(s, end)) {
			i = end
			continue
		}
		if tok.lstrip {
			i = max(from, spaceBefore(s, i))
		}
		if tok.rstrip {
			end = spaceAfter(s, end)
		}
		return i, end, tok.id
	}
	return len(s), len(s), -1
}

func wordBefore(s string, i int) bool {
	r, n := utf8.DecodeLastRuneInString(s[:i])
	return n > 0 && classes().of(r)&classW != 0
}

func wordAfter(s string, i int) bool {
	r, n := utf8.DecodeRuneInString(s[i:])
	return n > 0 && classes().of(r)&classW != 0
}

func spaceBefore(s string, i int) int {
	for i > 0 {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		if classes().of(r)&classS == 0 {
			break
		}
		i -= n
	}
	return i
}

func spaceAfter(s string, i int) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if classes().of(r)&classS == 0 {
			break
		}
		i += n
	}
	return i
}
