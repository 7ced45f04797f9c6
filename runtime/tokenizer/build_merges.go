package tokenizer

import (
	"encoding/binary"
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
	keys := make([]uint64, n)
	parts := max(1, min(runtime.GOMAXPROCS(0), 4, n/4096))
	errs := make([]error, parts)
	var wg sync.WaitGroup
	for p := range parts {
		lo, hi := n*p/parts, n*(p+1)/parts
		wg.Go(func() { errs[p] = s.findMerges(b.vocab, keys[:hi], b.merges.made, lo) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	b.merges.fill(keys)
	return nil
}

// mergeBatch is how many merges are looked up together, so that the cache
// misses of one overlap those of the others.
const mergeBatch = 32

// findMerges finds the merges from lo up to the end of keys: the key of each
// pair, and what it makes.
func (s *source) findMerges(v *vocab, keys []uint64, made []int32, lo int) error {
	if s.pairs != nil {
		return s.checkPairs(v, keys, made, lo)
	}
	if lo == len(keys) {
		return nil
	}
	f, at, last := batchFinder{v: v}, lo, int32(-1)
	for l, r := range s.merge(lo) {
		if l == "" && r == "" {
			return fieldErr(s.mergeField(at+f.n/2), "%w", errMerge)
		}
		f.ask(l)
		f.ask(r)
		if n := f.n / 2; n < mergeBatch && at+n < len(keys) {
			continue
		}
		f.find()
		for i := 0; i < f.n; i += 2 {
			l, r := &f.asks[i], &f.asks[i+1]
			for _, a := range [2]*ask{l, r} {
				if a.id < 0 {
					return fieldErr(s.mergeField(at), "%.40q is no token", f.spelling(a))
				}
			}
			if last = f.joined(l, r, last+1); last < 0 {
				return fieldErr(s.mergeField(at), "%.40q and %.40q do not make a token", f.spelling(l), f.spelling(r))
			}
			keys[at], made[at] = pairKey(l.id, r.id), last
			at++
		}
		if f.reset(); at == len(keys) {
			break
		}
	}
	return nil
}

// checkPairs is findMerges for merges that are pairs of ids.
func (s *source) checkPairs(v *vocab, keys []uint64, made []int32, lo int) error {
	last := int32(-1)
	var buf []byte
	for i := lo; i < len(keys); i++ {
		l, r := s.pairs[2*i], s.pairs[2*i+1]
		if l < 0 || r < 0 || int(l) >= v.len() || int(r) >= v.len() {
			return fieldErr(s.mergeField(i), "ids %d and %d are not both below %d", l, r, v.len())
		}
		if (v.flags[l]|v.flags[r])&flagLiteral != 0 {
			last = v.findSpelled(v.spelling(l)+v.spelling(r), nil)
		} else {
			buf = append(append(buf[:0], v.key(l)...), v.key(r)...)
			last = v.findNear(buf, last+1)
		}
		if last < 0 {
			return fieldErr(s.mergeField(i), "%.40q and %.40q do not make a token", v.spelling(l), v.spelling(r))
		}
		keys[i], made[i] = pairKey(l, r), last
	}
	return nil
}

// batchFinder looks up many spellings at once.
type batchFinder struct {
	v    *vocab
	raw  []byte // the keys one after another
	n    int    // asks
	asks [2 * mergeBatch]ask
}

type ask struct {
	hash     uint64
	lo, hi   uint32 // the key in raw
	from, to uint32 // the candidate's key in the arena
	entry    uint32
	id       int32
	literal  uint8
}

func (f *batchFinder) reset() { f.raw, f.n = f.raw[:0], 0 }

// ask enters a spelling.
func (f *batchFinder) ask(name string) {
	a, ok := &f.asks[f.n], false
	f.n++
	lo := len(f.raw)
	if f.v.byteLevel {
		f.raw, ok = appendUnspelled(f.raw, name)
	}
	if !ok {
		f.raw = append(f.raw, name...)
	}
	key := f.raw[lo:]
	a.lo, a.hi, a.literal = uint32(lo), uint32(len(f.raw)), 0
	a.hash = f.v.seed.hash(unsafe.String(unsafe.SliceData(key), len(key))) // key is not kept
	if f.v.byteLevel && !ok {
		a.literal = flagLiteral
		a.hash ^= literalSalt
	}
}

// find fills in the ids, -1 = none: first every table entry, then every
// candidate's place, then the comparisons.
func (f *batchFinder) find() {
	v, mask := f.v, uint64(len(f.v.table)-1)
	asks := f.asks[:f.n]
	for i := range asks {
		asks[i].entry = v.table[asks[i].hash&mask]
	}
	for i := range asks {
		if a := &asks[i]; a.entry != 0 {
			id := a.entry&maxTokens - 1
			a.from, a.to = v.off[id], v.off[id+1]
		}
	}
	for i := range asks {
		a := &asks[i]
		if a.entry != 0 && a.entry>>idBits == uint32(a.hash>>(64-tagBits)) && a.to-a.from == a.hi-a.lo && same(v.arena, a.from, f.raw, a.lo, a.hi-a.lo) {
			if a.id = int32(a.entry&maxTokens) - 1; v.flags[a.id]&flagLiteral == a.literal {
				continue
			}
		}
		key := f.raw[a.lo:a.hi]
		a.id = v.probe(unsafe.String(unsafe.SliceData(key), len(key)), a.hash, a.literal) // key is not kept
	}
}

// same reports whether n bytes of x from i and of y from j are the same. Nearly
// all keys are short.
func same(x []byte, i uint32, y []byte, j, n uint32) bool {
	if n <= 8 && n > 0 && int(i)+8 <= len(x) && int(j)+8 <= len(y) {
		return (binary.LittleEndian.Uint64(x[i:])^binary.LittleEndian.Uint64(y[j:]))<<(64-8*n) == 0
	}
	return string(x[i:i+n]) == string(y[j:j+n])
}

// spelling returns what was asked for.
func (f *batchFinder) spelling(a *ask) string {
	key := f.raw[a.lo:a.hi]
	if f.v.byteLevel && a.literal == 0 {
		return string(appendSpelled(nil, key))
	}
	return string(key)
}

// joined returns the token that l and r, asked for one after the other, make
// together, -1 = none. guess is tried first.
func (f *batchFinder) joined(l, r *ask, guess int32) int32 {
	if l.literal|r.literal != 0 {
		return f.v.findSpelled(f.spelling(l)+f.spelling(r), nil)
	}
	return f.v.findNear(f.raw[l.lo:r.hi], guess)
}

func (s *source) mergeField(i int) string { return s.fields.merges + "[" + itoa(i) + "]" }

// findNear returns the token whose key is k, -1 = none. guess is tried first:
// merges are mostly in the order of the ids they make.
func (v *vocab) findNear(k []byte, guess int32) int32 {
	if int(guess) < v.len() && v.flags[guess]&flagLiteral == 0 && string(v.key(guess)) == string(k) {
		return guess
	}
	return v.find(unsafe.String(unsafe.SliceData(k), len(k))) // k is not kept
}
