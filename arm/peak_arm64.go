//go:build !noasm

package arm

// peakSteps makes a round take some 2 to 5 µs.
const peakSteps = 1 << 8

func peak(l Level, n int, bytes bool) int {
	var round func(int)
	ops := 0 // of one instruction
	switch {
	case l == None:
		return 0
	case !bytes:
		round, ops = peakFP32NEON, 8
	case l == NEON:
		round, ops = peakInt8NEON, 16
	case l == DotProd:
		round, ops = peakInt8DotProd, 32
	default:
		round, ops = peakInt8I8MM, 64
	}
	for range n {
		round(peakSteps)
	}
	return n * peakSteps * 16 * ops
}

func read(p []byte) uint64 { return readNEON(&p[0], len(p)/256) }

// Each makes steps steps of 16 independent instructions; steps is positive.

//go:noescape
func peakInt8NEON(steps int)

//go:noescape
func peakInt8DotProd(steps int)

//go:noescape
func peakInt8I8MM(steps int)

//go:noescape
func peakFP32NEON(steps int)

// readNEON is the sum of 32·n words; n is positive.
//
//go:noescape
func readNEON(p *byte, n int) uint64
