package mmap

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// releasePart is the least that is worth a thread: 2 ms or so.
const releasePart = 64 << 20

// release takes the pages of b, which is about to be unmapped, out of this
// process with up to four threads: one takes 20 ms for 500 MiB of small pages, and
// munmap(2) has but one. Failing is harmless.
func release(b []byte) {
	parts := min(runtime.GOMAXPROCS(0), 4, len(b)/releasePart)
	if parts < 2 {
		return
	}
	const table = 2 << 20 // what a page table covers
	var wg sync.WaitGroup
	for p := range parts {
		lo, hi := len(b)*p/parts/table*table, len(b)*(p+1)/parts/table*table
		if p == parts-1 {
			hi = len(b)
		}
		wg.Go(func() { _ = unix.Madvise(b[lo:hi], unix.MADV_DONTNEED) })
	}
	wg.Wait()
}
