package engine

// Drafter guesses how a sequence goes on (speculative decoding, Leviathan et al. 2023).
// The model reads the guesses in one step and keeps those that it would have sampled
// itself, so that a wrong guess costs time and never changes a token.
type Drafter interface {
	// Draft appends at most n guesses for the ids after ids to dst.
	Draft(dst, ids []int32, n int) []int32
	// Learn tells how many of the guesses of a step were right.
	Learn(proposed, accepted int)
}

// cheapRows is how many rows a step reads for little more than the price of one: the
// kernels' variants for few tokens end there. Guesses share what others leave of them.
const cheapRows = 8

// propose asks for at most n guesses, as far as the sequence may still go: the token
// after the last guess is sampled in the same step.
func (s *Seq) propose(n int) {
	if s.r.Draft == nil || s.t.GeneratedTokens == 0 {
		return
	}
	n = min(n, s.m.context-len(s.ids)-1)
	if s.r.MaxTokens > 0 {
		n = min(n, s.r.MaxTokens-s.t.GeneratedTokens-1)
	}
	if n <= 0 {
		return
	}
	if d, ok := s.r.Draft.(*drafting); ok {
		d.sampler.Follow(s.sampler)
	}
	s.draft = s.r.Draft.Draft(s.draft[:0], s.ids, n)
	for i, id := range s.draft {
		if i == n || id < 0 || int(id) >= s.m.info.Vocabulary {
			s.draft = s.draft[:i]
			break
		}
	}
}

// EndDraft says that nothing is to be guessed any more, and lets the Drafter give back what
// it holds. It is idempotent.
func (s *Seq) EndDraft() {
	if r, ok := s.r.Draft.(interface{ Release() }); ok {
		r.Release()
	}
	s.r.Draft = nil
}

// Lookup is a Drafter that goes on as the same words went on before: it finds the
// last tokens earlier in the sequence (prompt lookup decoding, Saxena 2023). Good
// where an answer repeats its prompt: code, quotations, corrections. It asks for
// more after right guesses and for less after wrong ones. The zero value works; it
// is for one sequence.
type Lookup struct {
	want int // guesses of the next step
	idle int // steps to sit out
}

// Bounds of Lookup: tokens that must agree, those that it prefers to agree, and
// guesses of a step.
const (
	lookupMin   = 2
	lookupMax   = 5
	lookupMost  = cheapRows - 1
	lookupBegin = 3
	lookupReach = 1 << 14 // ids that are looked through
)

// Draft implements Drafter.
func (l *Lookup) Draft(dst, ids []int32, n int) []int32 {
	if l.idle > 0 {
		l.idle--
		return dst
	}
	if l.want == 0 {
		l.want = lookupBegin
	}
	n = min(n, l.want)
	from := max(0, len(ids)-lookupReach)
	best, at := 0, 0
	for i := len(ids) - 2; i >= from && best < lookupMax; i-- {
		k := 0
		for k < lookupMax && i-k >= from && ids[i-k] == ids[len(ids)-1-k] {
			k++
		}
		if k > best {
			best, at = k, i+1
		}
	}
	if best < lookupMin {
		return dst
	}
	return append(dst, ids[at:min(at+n, len(ids))]...)
}

// Learn implements Drafter.
func (l *Lookup) Learn(proposed, accepted int) {
	switch {
	case accepted == proposed:
		l.want = min(l.want+2, lookupMost)
	case accepted > 0:
		l.want = min(accepted+1, lookupMost)
	case l.want > 1:
		l.want = 1
	default:
		l.idle = 4
	}
}
