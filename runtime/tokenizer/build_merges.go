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
	if s.ready != nil {
		s.ready()
	}
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

// mergeBatch is how many merges are looked up together, so that the cache
// misses of one overlap those of the others.
const mergeBatch = 32

// findMerges finds the ids of the merges lo to hi-1.
func (s *source) findMerges(v *vocab, out []foundMerge, lo, hi int) error {
	made := int32(-1)
	var buf [256]byte
	batch := batchFinder{v: v}
	for from := lo; from < hi; from += mergeBatch {
		to := min(from+mergeBatch, hi)
		if err := s.findPairs(&batch, out[from:to], from); err != nil {
			return err
		}
		for i := from; i < to; i++ {
			m := &out[i]
			if made = v.joined(m.left, m.right, made+1, buf[:0]); made < 0 {
				return fieldErr(s.mergeField(i), "%.40q and %.40q do not make a token", v.spelling(m.left), v.spelling(m.right))
			}
			m.made = made
		}
	}
	return nil
}

// findPairs fills in left and right of the merges from the from-th on.
func (s *source) findPairs(f *batchFinder, out []foundMerge, from int) error {
	if s.pairs != nil {
		for i := range out {
			l, r := s.pairs[2*(from+i)], s.pairs[2*(from+i)+1]
			if l < 0 || r < 0 || int(l) >= f.v.len() || int(r) >= f.v.len() {
				return fieldErr(s.mergeField(from+i), "ids %d and %d are not both below %d", l, r, f.v.len())
			}
			out[i].left, out[i].right = l, r
		}
		return nil
	}
	f.raw, f.asks = f.raw[:0], f.asks[:0]
	for i := range out {
		l, r, err := s.merge(from + i)
		if err != nil {
			return fieldErr(s.mergeField(from+i), "%w", err)
		}
		f.ask(l)
		f.ask(r)
	}
	f.find()
	for i := range out {
		out[i].left, out[i].right = f.asks[2*i].id, f.asks[2*i+1].id
		for k, id := range [2]int32{out[i].left, out[i].right} {
			if id < 0 {
				return fieldErr(s.mergeField(from+i), "%.40q is no token", f.asks[2*i+k].name)
			}
		}
	}
	return nil
}

// batchFinder looks up many spellings at once.
type batchFinder struct {
	v    *vocab
	raw  []byte
	asks []ask
}

type ask struct {
	name     string
	lo, hi   uint32 // the key in raw
	literal  uint8
	hash     uint64
	entry    uint64
	from, to uint32 // the candidate's key in the arena
	id       int32
}

// ask enters a spelling.
func (f *batchFinder) ask(name string) {
	a, ok := ask{name: name, lo: uint32(len(f.raw)), id: -1}, false
	if f.v.byteLevel {
		f.raw, ok = appendUnspelled(f.raw, name)
	}
	if !ok {
		f.raw = append(f.raw, name...)
	}
	a.hi = uint32(len(f.raw))
	key := f.raw[a.lo:a.hi]
	a.hash = f.v.seed.hash(unsafe.String(unsafe.SliceData(key), len(key))) // key is not kept
	if f.v.byteLevel && !ok {
		a.literal = flagLiteral
		a.hash ^= literalSalt
	}
	f.asks = append(f.asks, a)
}

// find fills in the ids, -1 = none: first every table entry, then every
// candidate's place, then the comparisons.
func (f *batchFinder) find() {
	v, mask := f.v, uint64(len(f.v.table)-1)
	for i := range f.asks {
		f.asks[i].entry = v.table[f.asks[i].hash&mask]
	}
	for i := range f.asks {
		if a := &f.asks[i]; a.entry != 0 {
			id := uint32(a.entry) - 1
			a.from, a.to = v.off[id], v.off[id+1]
		}
	}
	for i := range f.asks {
		a := &f.asks[i]
		key := f.raw[a.lo:a.hi]
		if a.entry>>32 == a.hash>>32 && string(v.arena[a.from:a.to]) == string(key) {
			if id := int32(uint32(a.entry)) - 1; v.flags[id]&flagLiteral == a.literal {
				a.id = id
				continue
			}
		}
		a.id = v.probe(unsafe.String(unsafe.SliceData(key), len(key)), a.hash, a.literal) // key is not kept
	}
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
