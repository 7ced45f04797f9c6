package tokenizer

import (
	"runtime"
	"sync"
	"unsafe"
)

// setMerges fills the table of merges. Looking up three tokens a merge is most
// of the work of loading a vocabulary, so it is shared among up to four
// goroutines; the table does not depend on how many.
func (s *source) setMerges(b *bpe) error {
	n := s.merges
	if s.pairs != nil {
		n = len(s.pairs) / 2
	}
	if n > maxMerges {
		return fieldErr(s.fields.merges, "%d merges, more than %d", n, maxMerges)
	}
	b.merges, b.ranks = newMergeTable(n), n
	found := make([]foundMerge, n)
	parts := max(1, min(runtime.GOMAXPROCS(0), 4, n/4096))
	errs := make([]error, parts)
	var wg sync.WaitGroup
	for p := range parts {
		wg.Go(func() { errs[p] = s.findMerges(b.vocab, found, n*p/parts, n*(p+1)/parts) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for i, m := range found {
		b.merges.put(m.left, m.right, uint32(i), m.made)
	}
	return nil
}

// foundMerge is a merge in ids.
type foundMerge struct{ left, right, made int32 }

// findMerges finds the ids of the merges lo to hi-1.
func (s *source) findMerges(v *vocab, out []foundMerge, lo, hi int) error {
	made := int32(-1)
	var buf [256]byte
	for i := lo; i < hi; i++ {
		m := &out[i]
		if s.pairs != nil {
			m.left, m.right = s.pairs[2*i], s.pairs[2*i+1]
			if m.left < 0 || m.right < 0 || int(m.left) >= v.len() || int(m.right) >= v.len() {
				return fieldErr(s.mergeField(i), "ids %d and %d are not both below %d", m.left, m.right, v.len())
			}
		} else {
			left, right, err := s.merge(i)
			if err != nil {
				return fieldErr(s.mergeField(i), "%w", err)
			}
			if m.left = v.findSpelled(left, buf[:]); m.left < 0 {
				return fieldErr(s.mergeField(i), "%.40q is no token", left)
			}
			if m.right = v.findSpelled(right, buf[:]); m.right < 0 {
				return fieldErr(s.mergeField(i), "%.40q is no token", right)
			}
		}
		if made = v.joined(m.left, m.right, made+1, buf[:0]); made < 0 {
			return fieldErr(s.mergeField(i), "%.40q and %.40q do not make a token", v.spelling(m.left), v.spelling(m.right))
		}
		m.made = made
	}
	return nil
}

func (s *source) mergeField(i int) string { return s.fields.merges + "[" + itoa(i) + "]" }

// joined returns the token that l and r make together, -1 = none. guess is
// tried first: merges are mostly in the order of the ids they make.
func (v *vocab) joined(l, r, guess int32, buf []byte) int32 {
	if v.byteLevel && (v.flags[l]|v.flags[r])&flagLiteral != 0 {
		return v.findSpelled(v.spelling(l)+v.spelling(r), nil)
	}
	kl, kr := v.key(l), v.key(r)
	if int(guess) < v.len() && v.flags[guess]&flagLiteral == 0 {
		if k := v.key(guess); len(k) == len(kl)+len(kr) && string(k[:len(kl)]) == string(kl) && string(k[len(kl):]) == string(kr) {
			return guess
		}
	}
	buf = append(append(buf, kl...), kr...)
	return v.find(unsafe.String(unsafe.SliceData(buf), len(buf))) // buf is not kept
}
