package engine

import "github.com/qwq-edge/qwq/internal/cpu"

// memAvailable is what the machine and this process's control group leave for a
// new program, in bytes; false where the system does not say.
func memAvailable() (uint64, bool) {
	m := cpu.HostMemory()
	return m.Free(), m.Known()
}

// minContext is what fitContext never goes below.
const minContext = 512

// fitContext is the trained context, or what fits half of the available
// memory, a multiple of 64.
func fitContext(trained int, bytesPerPosition int64, available uint64) int {
	fits := available / 2 / uint64(bytesPerPosition)
	if fits >= uint64(trained) {
		return trained
	}
	return min(trained, max(minContext, int(fits)/64*64))
}
