package engine

import (
	"bytes"
	"os"
	"strconv"
)

// memAvailable is what the system says a new program can have, in bytes; false
// where it does not say.
func memAvailable() (uint64, bool) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	return parseAvailable(b)
}

// parseAvailable finds the line "MemAvailable:   123 kB".
func parseAvailable(b []byte) (uint64, bool) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte("MemAvailable:"))
		if !ok {
			continue
		}
		f := bytes.Fields(rest)
		if len(f) != 2 || string(f[1]) != "kB" {
			return 0, false
		}
		n, err := strconv.ParseUint(string(f[0]), 10, 50)
		return n << 10, err == nil
	}
	return 0, false
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
