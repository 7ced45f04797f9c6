package cuda

import (
	"bytes"
	"fmt"
	"unsafe"
)

func cstring(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(bytes.TrimSpace(b))
}

// chunkBytes is the most that is allocated at once: a Jetson's memory is in
// pieces after some days, and one large reservation fails where many small ones
// do not.
const chunkBytes = 64 << 20

// reserve stays free on a device: the driver's own, the display, on an integrated
// one the rest of the system.
func reserve(i *Info) uint64 {
	if i.Integrated {
		return max(256<<20, i.Memory/16)
	}
	return 128 << 20
}

// BudgetError says that a model does not fit, before anything of it is loaded.
type BudgetError struct {
	Device              string
	Need, Free, Reserve uint64 // bytes
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("cuda: %s: %d MB needed, %d MB free of which %d MB are left to others: use a smaller --ctx, a smaller type or fewer --gpu-layers",
		e.Device, e.Need>>20, e.Free>>20, e.Reserve>>20)
}

// Free is how many bytes may be allocated now. On an integrated device host is what
// the system can give (MemAvailable): the driver counts the page cache as used up
// there; 0 means unknown.
func (g *GPU) Free(host uint64) (free uint64, err error) {
	err = g.do(func() error {
		f, total := new(uint64), new(uint64)
		err := failed("cuMemGetInfo", g.drv.MemGetInfo(f, total), "")
		free = *f
		return err
	})
	if err == nil && g.Info.Integrated && host > 0 {
		free = min(max(free, host), g.Info.Memory)
	}
	return free, err
}

// Fits is nil where need bytes can be allocated beside the reserve.
func (g *GPU) Fits(need, host uint64) error {
	free, err := g.Free(host)
	if err != nil {
		return err
	}
	if r := reserve(&g.Info); need > free || free-need < r {
		return &BudgetError{Device: g.Info.Name, Need: need, Free: free, Reserve: r}
	}
	return nil
}

// Alloc takes device memory of at least a byte. Its content is undefined.
func (g *GPU) Alloc(n uint64) (p Ptr, err error) {
	err = g.do(func() error {
		h := new(Ptr)
		if err := failed("cuMemAlloc", g.drv.MemAlloc(h, max(n, 1)), "%d bytes", n); err != nil {
			return err
		}
		p = *h
		g.blocks[p] = n
		return nil
	})
	return p, err
}

// Release gives memory of Alloc back.
func (g *GPU) Release(p Ptr) error {
	if _, ok := g.blocks[p]; !ok {
		return fmt.Errorf("cuda: address %#x was not allocated here", uint64(p))
	}
	return g.do(func() error {
		delete(g.blocks, p)
		return failed("cuMemFree", g.drv.MemFree(p), "")
	})
}

// Allocated is the bytes of device memory that are held, pages of the host that
// are mapped not counted.
func (g *GPU) Allocated() (n uint64) {
	for _, b := range g.blocks {
		n += b
	}
	return n
}

// Pinned takes n bytes of page-locked host memory, which Close frees.
func (g *GPU) Pinned(n int) (b []byte, err error) {
	err = g.do(func() error {
		h := new(uintptr)
		if err := failed("cuMemAllocHost", g.drv.MemAllocHost(h, uint64(max(n, 1))), "%d bytes", n); err != nil {
			return err
		}
		g.host[*h] = uint64(n)
		b = unsafe.Slice(*(**byte)(unsafe.Pointer(h)), n)
		return nil
	})
	return b, err
}

// unpin frees memory of Pinned.
func (g *GPU) unpin(b []byte) error {
	if g.closed {
		return nil // Close did
	}
	return g.do(func() error {
		delete(g.host, address(b))
		return failed("cuMemFreeHost", g.drv.MemFreeHost(address(b)), "")
	})
}

// Map lets the device read pages of the host in place: p must lie in memory that
// is not moved or freed before Close. Only integrated devices with a driver that
// can do it map; others must copy.
func (g *GPU) Map(b []byte) (p Ptr, err error) {
	if !g.Info.registers() {
		return 0, fmt.Errorf("cuda: %s (%s, CUDA %s) does not read the host's pages, weights are copied", g.Info.Name, g.Info.SM, g.Info.Driver)
	}
	at := address(b)
	err = g.do(func() error {
		if err := failed("cuMemHostRegister", g.drv.MemHostRegister(at, uint64(len(b)), registerDeviceMap), "%d bytes", len(b)); err != nil {
			return err
		}
		g.mapped[at] = uint64(len(b))
		h := new(Ptr)
		err := failed("cuMemHostGetDevicePointer", g.drv.MemHostGetDevicePointer(h, at, 0), "")
		p = *h
		return err
	})
	return p, err
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// upload copies src to dst through staging, two halves of pinned memory: the host
// fills the second while the device reads the first, then waits for both.
func (g *GPU) upload(dst Ptr, src, staging []byte) error {
	half := len(staging) / 2
	return g.do(func() error {
		for i := 0; len(src) > 0; i++ {
			n := min(len(src), half)
			buf := staging[i%2*half:][:n]
			if i > 0 && i%2 == 0 {
				if err := failed("cuStreamSynchronize", g.drv.StreamSynchronize(g.stream), "upload"); err != nil {
					return err
				}
			}
			copy(buf, src)
			if err := failed("cuMemcpyHtoDAsync", g.drv.MemcpyHtoDAsync(dst, address(buf), uint64(n), g.stream), "%d bytes", n); err != nil {
				return err
			}
			dst, src = dst+Ptr(n), src[n:]
		}
		return failed("cuStreamSynchronize", g.drv.StreamSynchronize(g.stream), "upload")
	})
}

// download copies device memory to the host.
func (g *GPU) download(dst []byte, src Ptr, staging []byte) error {
	return g.do(func() error {
		for len(dst) > 0 {
			n := min(len(dst), len(staging))
			if err := failed("cuMemcpyDtoHAsync", g.drv.MemcpyDtoHAsync(address(staging), src, uint64(n), g.stream), "%d bytes", n); err != nil {
				return err
			}
			if err := failed("cuStreamSynchronize", g.drv.StreamSynchronize(g.stream), "download"); err != nil {
				return err
			}
			copy(dst, staging[:n])
			dst, src = dst[n:], src+Ptr(n)
		}
		return nil
	})
}
