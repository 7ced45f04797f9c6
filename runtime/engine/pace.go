package engine

import "time"

// pace decides how many tokens to guess: as many as make the tokens a second most by what
// was measured, none for a while where guessing does not pay.
type pace struct {
	right float64       // share of the guesses that were right, of those whose predecessors were
	guess time.Duration // that a guess takes
	steps [mostGuesses + 1]time.Duration
	// steps[n] is what a step with n guesses takes, 0: not known

	ended time.Time // when the last guess was made, or none was
	alone bool      // none was: the time to the next step is steps[0]
	idle  int       // steps to sit out
	pause int       // steps that were sat out last time
	probe bool      // after a pause: what was measured may be old
}

// Bounds and constants of pace.
const (
	mostGuesses = cheapRows - 1
	rowCost     = 0.1  // of one more row in a step, as a part of the step, until it is measured
	follow      = 0.1  // how fast right follows what is measured
	followTime  = 0.25 // how fast times do
	mostPause   = 64   // steps
	worthIt     = 1.02 // gain below which guessing is not worth its heat
)

// want is how many tokens to guess in this step.
func (p *pace) want(now time.Time) int {
	if p.alone {
		p.steps[0] = towards(p.steps[0], now.Sub(p.ended))
		p.alone = false
	}
	n := 0
	switch {
	case p.steps[0] == 0: // measured first
	case p.idle > 0:
		p.idle--
		p.probe = p.idle == 0
	case p.probe, p.guess == 0:
		p.probe, n = false, 2
	default:
		if n = p.best(); n == 0 {
			p.pause = min(max(2*p.pause, 8), mostPause)
			p.idle = p.pause
		}
	}
	p.ended, p.alone = now, n == 0
	return n
}

// best is the n with the most tokens a time: n guesses bring 1 + r + r² + … + rⁿ tokens in
// the time of n guesses and the step that reads them.
func (p *pace) best() (n int) {
	tokens, chance, most := 1.0, 1.0, worthIt/float64(p.steps[0])
	for i := 1; i <= mostGuesses; i++ {
		chance *= p.right
		tokens += chance
		if rate := tokens / (float64(i)*float64(p.guess) + p.step(i)); rate > most {
			n, most = i, rate
		}
	}
	return n
}

// step is what a step with n guesses takes, from fewer where it was not measured.
func (p *pace) step(n int) float64 {
	m := n
	for p.steps[m] == 0 && m > 0 {
		m--
	}
	return float64(p.steps[m]) * (1 + rowCost*float64(n-m))
}

// drafted tells what a guess took, and when the last one was made.
func (p *pace) drafted(each time.Duration, now time.Time) {
	p.guess = towards(p.guess, each)
	p.ended = now
}

// learn tells how many guesses of a step were right, and when that was known.
func (p *pace) learn(proposed, accepted int, now time.Time) {
	if proposed <= mostGuesses {
		p.steps[proposed] = towards(p.steps[proposed], now.Sub(p.ended))
	}
	for range accepted {
		p.right += follow * (1 - p.right)
	}
	if accepted < proposed {
		p.right -= follow * p.right
	}
	if accepted > 0 {
		p.pause = 0
	}
}

func towards(old, v time.Duration) time.Duration {
	if old == 0 {
		return max(v, 1)
	}
	return old + time.Duration(followTime*float64(v-old))
}
